/*
** l_start.c: the start methods that send what the child needs
** MIT licence, see LICENSE
**
** Two messages go to a newborn: settings (to be like its parent: package.path
** and so on) and payload (what to run).  They are put into the newborn's hand
** in the arena before it exists, so they are freed whoever dies.
*/

#include "bind/modules.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/code.h"
#include "bind/child.h"
#include "bind/core.h"
#include "bind/interrupt.h"
#include "bind/output.h"
#include "codec/codec.h"
#include <sys/socket.h>

#include "os/clock.h"
#include "os/fd.h"
#include "os/program.h"
#include "os/spawn.h"
#include "proc/boot.h"
#include "proc/server.h"
#include "proc/spawn.h"
#include "shm/object.h"

/* --- sending -------------------------------------------------------------- */

static const struct mp_codec_opts sending = {
    .flags = MP_CODEC_CODE | MP_CODEC_SHARED};
static const struct mp_codec_opts receiving = {
    .flags = MP_CODEC_CODE | MP_CODEC_SHARED | MP_CODEC_REPLACE};

static int put_in_hand(struct mp_arena *a, const struct mp_encoded *e,
                       mp_proc newborn, mp_off *out) {
  const mp_off *refs;
  uint32_t nrefs = mp_encoded_refs(e, &refs);
  mp_off off;
  int rc = mp_message_alloc(a, mp_encoded_size(e), refs, nrefs, &off);
  if (rc < 0)
    return rc;
  mp_encoded_copy(e, mp_message_data(a, off));
  rc = mp_hand_give(a, off, newborn);
  if (rc < 0)
    mp_message_free(a, off);
  else
    *out = off;
  return rc;
}

/*
** stack[3]: settings, stack[4]: payload, stack[5]: daemon?  Begins the child,
** with both messages in its hand.  Raises where they cannot be sent.
*/
static struct mp_child *begin(lua_State *L, struct mp_arena *a,
                              struct mp_birth *b) {
  struct mp_child *c = mp_check_child(L, 1);
  struct mp_child_options o = {mp_owner_of(L), lua_toboolean(L, 5), 0};
  struct mp_encoded *settings = mp_encode(L, 3, 1, &sending);
  struct mp_encoded *payload = mp_encode(L, 4, 1, &sending);
  int rc = mp_child_begin(c, a, &o);
  if (rc < 0)
    mp_raise_code(L, rc, "cannot start a process");
  b->slot = mp_child_proc(c);
  b->has_lifeline = o.daemon;
  b->server_fd = -1;
  rc = put_in_hand(a, settings, b->slot, &b->settings);
  if (rc >= 0)
    rc = put_in_hand(a, payload, b->slot, &b->payload);
  if (rc < 0) {
    mp_child_abort(c);
    mp_raise_code(L, rc, "cannot start a process");
  }
  mp_encoded_done(L, payload);
  mp_encoded_done(L, settings);
  return c;
}

/* --- spawn ---------------------------------------------------------------- */

/* The list of words at stack[arg] with one more at its end, as an argv that
** lives as long as the value it pushes. */
static char **make_argv(lua_State *L, int arg, const char *last) {
  lua_Integer n = luaL_len(L, arg);
  char **argv = lua_newuserdatauv(L, sizeof *argv * ((size_t)n + 2), 0);
  for (lua_Integer i = 0; i < n; i++) {
    lua_rawgeti(L, arg, i + 1);
    argv[i] = (char *)(uintptr_t)luaL_checkstring(L, -1);
    lua_pop(L, 1); /* the list keeps it */
  }
  argv[n] = (char *)(uintptr_t)last;
  argv[n + 1] = NULL;
  return argv;
}

static int raise_start(lua_State *L, int rc) {
  lua_rawgeti(L, 2, 1);
  return mp_raise(L, "ProcessError", "cannot start %s: %s",
                  lua_tostring(L, -1), mp_code_text(rc));
}

/* spawn(child, words, settings, payload, daemon) */
static int start_spawn(lua_State *L) {
  char text[MP_BIRTH_TEXT];
  struct mp_birth b;
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 5);
  struct mp_arena *a = mp_core_arena(L);
  char **argv = make_argv(L, 2, text);
  mp_output_flush(L); /* it comes before what the newborn writes */
  struct mp_child *c = begin(L, a, &b);
  mp_birth_write(&b, text);
  int rc = mp_child_spawn(c, a, argv, -1);
  return rc < 0 ? raise_start(L, rc) : 0;
}

/* --- forkserver ----------------------------------------------------------- */

/* serve(child, words, settings, payload): the child will be a server */
static int start_serve(lua_State *L) {
  char text[MP_BIRTH_TEXT];
  struct mp_birth b;
  int pair[2];
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 4);
  lua_pushboolean(L, 1);
  struct mp_arena *a = mp_core_arena(L);
  char **argv = make_argv(L, 2, text);
  struct mp_child *c = begin(L, a, &b);
  int rc = mp_fd_socketpair(SOCK_SEQPACKET, pair);
  if (rc < 0) {
    mp_child_abort(c);
    return raise_start(L, rc);
  }
  b.server_fd = MP_BIRTH_EXTRA_FD;
  mp_birth_write(&b, text);
  rc = mp_child_spawn(c, a, argv, pair[1]);
  mp_fd_close(pair[1]);
  if (rc < 0) {
    mp_fd_close(pair[0]);
    return raise_start(L, rc);
  }
  mp_child_keep(c, pair[0]);
  return 0;
}

static int check_interrupt(lua_State *L) {
  mp_interrupt_check(L);
  return 0;
}

/* Interrupted, it gives up the server, too: its answer would be taken for that
** to the next request. */
static int wait_for_answer(lua_State *L, struct mp_child *c,
                           struct mp_child *server) {
  int rc;
  while ((rc = mp_child_answer(c, mp_child_kept(server))) == -EINTR) {
    lua_pushcfunction(L, check_interrupt);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
      mp_child_signal(server, SIGKILL);
      mp_child_wait(server, mp_now() + MP_SECOND);
      mp_child_abort(c);
      lua_error(L);
    }
  }
  return rc;
}

/* request(child, server, settings, payload, daemon) -> true, or false when
** the server is dead */
static int start_request(lua_State *L) {
  struct mp_birth b;
  struct mp_child *server = mp_check_child(L, 2);
  lua_settop(L, 5);
  struct mp_arena *a = mp_core_arena(L);
  mp_output_flush(L);
  struct mp_child *c = begin(L, a, &b);
  int rc = mp_child_request(c, mp_child_kept(server), &b);
  if (rc >= 0)
    rc = wait_for_answer(L, c, server);
  if (rc == MP_ELOST)
    mp_child_abort(c);
  else if (rc < 0)
    return mp_raise_code(L, rc, "cannot start a process");
  lua_pushboolean(L, rc >= 0);
  return 1;
}

static void push_birth(lua_State *L, const struct mp_birth *b) {
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, (lua_Integer)b->settings);
  lua_setfield(L, -2, "settings");
  lua_pushinteger(L, (lua_Integer)b->payload);
  lua_setfield(L, -2, "payload");
  if (b->server_fd >= 0) {
    lua_pushinteger(L, b->server_fd);
    lua_setfield(L, -2, "server_fd");
  }
}

/* ignore_interrupts(): Ctrl-C is the client's affair and that of its children */
static int start_ignore_interrupts(lua_State *L) {
  (void)L;
  mp_interrupt_ignore();
  return 0;
}

/* run_server(fd) -> birth in a newborn; nothing when the client is gone */
static int start_run_server(lua_State *L) {
  struct mp_birth b;
  struct mp_server *s =
      mp_server_new(mp_core_arena(L), (int)luaL_checkinteger(L, 1));
  if (s == NULL)
    return luaL_error(L, "not enough memory");
  lua_gc(L, LUA_GCCOLLECT); /* what the newborn would do again and again */
  int rc = mp_server_run(s, &b);
  if (rc <= 0)
    return 0;
  mp_begin_life(L);
  push_birth(L, &b);
  return 1;
}

/* --- the newborn ---------------------------------------------------------- */

/* receive(offset) -> value; raises what decoding raises */
static int start_receive(lua_State *L) {
  mp_off off = (mp_off)luaL_checkinteger(L, 1);
  struct mp_arena *a = mp_core_arena(L);
  int rc = mp_decode(L, mp_message_data(a, off), mp_message_size(a, off),
                     &receiving);
  mp_message_free(a, off);
  return rc < 0 ? lua_error(L) : rc;
}

static _Noreturn void give_up(const char *what, int code) {
  fprintf(stderr, "multiprocessing: %s: %s\n", what, mp_code_text(code));
  fflush(NULL);
  mp_exit_now(EXIT_FAILURE);
}

static int require_main(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "multiprocessing.start.newborn");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "main");
  return 1;
}

void mp_newborn(lua_State *L, const char *text) {
  struct mp_birth b;
  struct mp_arena *a = NULL;
  int rc = mp_birth_read(text, &b);
  if (rc >= 0)
    rc = mp_birth_boot(&b, &a);
  if (rc < 0)
    give_up("cannot join the family", rc);
  lua_settop(L, 0);
  lua_pushcfunction(L, require_main);
  if (lua_pcall(L, 0, 1, 0) != LUA_OK)
    give_up(lua_tostring(L, -1), -EINVAL);
  push_birth(L, &b);
  mp_live(L, a);
}

/* newborn(text): the way in for an interpreter that is not ours */
static int start_newborn(lua_State *L) {
  char text[MP_BIRTH_TEXT];
  snprintf(text, sizeof text, "%s", luaL_checkstring(L, 1));
  mp_newborn(L, text);
}

/* --- which program -------------------------------------------------------- */

/* program() -> path of this process's program, path of this library when it
** is a module of its own (else nil), does the program know MP_CHILD_OPTION? */
static int start_program(lua_State *L) {
  char path[4096];
  int rc = mp_self_program(path, sizeof path);
  if (rc < 0)
    return mp_raise_code(L, rc, "cannot find the program of this process (is /proc "
                        "mounted? mp.set_executable names it)");
  lua_pushstring(L, path);
  rc = mp_self_library(path, sizeof path);
  if (rc > 0)
    lua_pushstring(L, path);
  else
    lua_pushnil(L);
  lua_pushboolean(L, mp_program_is_target());
  return 3;
}

static int start_chdir(lua_State *L) {
  int rc = mp_self_chdir(luaL_checkstring(L, 1));
  return rc < 0 ? mp_raise_code(L, rc, "cannot change the directory") : 0;
}

static int start_getcwd(lua_State *L) {
  char path[4096];
  if (mp_self_cwd(path, sizeof path) < 0)
    return 0;
  lua_pushstring(L, path);
  return 1;
}

/* environment() -> list of "NAME=value" */
static int start_environment(lua_State *L) {
  lua_newtable(L);
  for (lua_Integer i = 0; mp_self_environment((int)i) != NULL; i++) {
    lua_pushstring(L, mp_self_environment((int)i));
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int start_set_environment(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  mp_self_clear_environment();
  lua_Integer n = luaL_len(L, 1);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, 1, i);
    mp_self_add_environment(luaL_checkstring(L, -1));
    lua_pop(L, 1);
  }
  return 0;
}

static const luaL_Reg functions[] = {
    {"spawn", start_spawn},
    {"serve", start_serve},
    {"request", start_request},
    {"ignore_interrupts", start_ignore_interrupts},
    {"run_server", start_run_server},
    {"receive", start_receive},
    {"newborn", start_newborn},
    {"program", start_program},
    {"chdir", start_chdir},
    {"getcwd", start_getcwd},
    {"environment", start_environment},
    {"set_environment", start_set_environment},
    {NULL, NULL},
};

int mp_open_start(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
