/*
** worker.c: the process of a run's script
** MIT licence, see LICENSE
**
** A copy of the process that watches it, which is small and has one thread.
** Limits come before anything of the script's is looked at; the list of system
** calls comes last, just before the script runs.
*/

#include "embed/worker.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lauxlib.h"

#include "bind/limit.h"
#include "codec/codec.h"
#include "embed/error.h"
#include "embed/values.h"
#include "os/fd.h"
#include "os/isolate.h"
#include "os/seccomp.h"
#include "os/spawn.h"

/* What is added to the limit for reporting that it was reached. */
enum { SPARE = 4 * 1024 * 1024 };

static const char traceback_key = 0; /* in the registry */

/* --- the answer ----------------------------------------------------------- */

static void put_head(struct mp_buf *b, enum mp_run_kind kind) {
  unsigned char head[9] = {0};
  head[8] = (unsigned char)kind;
  if (mp_buf_put(b, head, sizeof head) < 0)
    mp_exit_now(EXIT_FAILURE);
}

static void put_length(struct mp_buf *b) {
  uint64_t n = b->len - 8;
  for (int i = 0; i < 8; i++)
    b->data[i] = (unsigned char)(n >> (8 * i));
}

/* Sends values [first, top] and ends the process. */
static _Noreturn void send_and_end(struct mp_buf *b) {
  put_length(b);
  fflush(NULL);
  int rc = mp_fd_write_all(MP_RUN_RESULT_FD, b->data, b->len);
  mp_exit_now(rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

static _Noreturn void fail(lua_State *L, enum mp_run_kind kind,
                           const char *message, const char *traceback) {
  static const struct mp_codec_opts data = {0};
  struct mp_buf b;
  mp_buf_init(&b);
  put_head(&b, kind);
  lua_settop(L, 0);
  mp_limit_memory(L, SPARE);
  lua_pushstring(L, message);
  lua_pushstring(L, traceback);
  mp_values_encode_from(L, 1, 2, &data, &b, NULL);
  send_and_end(&b);
}

/* The error value is on top of the stack. */
static _Noreturn void fail_status(lua_State *L, int status,
                                  enum mp_run_kind kind) {
  static struct mplua_error e;
  mp_limit_memory(L, SPARE);
  if (status == LUA_ERRMEM)
    fail(L, MP_RUN_NO_MEMORY, "not enough memory", "");
  lua_rawgetp(L, LUA_REGISTRYINDEX, &traceback_key);
  const char *traceback = lua_tostring(L, -1); /* the registry keeps it */
  lua_pop(L, 1);
  const char *message = lua_tostring(L, -1);
  if (message == NULL) {
    mp_fail_lua(L, status, &e);
    message = e.message;
  }
  char *copy = strdup(message);
  fail(L, kind, copy != NULL ? copy : "?", traceback);
}

static _Noreturn void answer(lua_State *L) {
  static const struct mp_codec_opts data = {.root = "results[]"};
  struct mp_buf b;
  struct mplua_error e;
  mp_buf_init(&b);
  put_head(&b, MP_RUN_RETURNED);
  int rc = mp_values_encode_from(L, 1, lua_gettop(L), &data, &b, &e);
  if (rc == -ENOMEM)
    fail(L, MP_RUN_NO_MEMORY, e.message, "");
  if (rc < 0)
    fail(L, MP_RUN_RAISED, e.message, "");
  send_and_end(&b);
}

/* --- before the script ---------------------------------------------------- */

static int set_descriptors(const struct mp_job *j) {
  mp_fd_close(MP_RUN_CONTROL_FD);
  if (j->flags & MPLUA_RUN_SHOW_OUTPUT)
    return 0;
  if (j->flags & MPLUA_RUN_DROP_OUTPUT)
    return mp_isolate_output(-1);
  return mp_isolate_output(MP_RUN_OUTPUT_FD);
}

static void set_limits(lua_State *L, const struct mp_job *j) {
  const char *what;
  int rc = mp_limits_apply(&j->limits, &what);
  if (rc < 0)
    fail(L, MP_RUN_NOT_BEGUN,
         lua_pushfstring(L, "cannot limit %s: %s", what, mplua_strerror(rc)),
         "");
  if (j->lua_memory > 0)
    mp_limit_memory(L, (size_t)j->lua_memory);
}

static void drop_privileges(lua_State *L, const struct mp_job *j) {
  const char *bad;
  int rc = 0;
  tzset(); /* os.date's file is read now */
  if (j->flags & MPLUA_RUN_NO_NEW_PRIVILEGES)
    rc = mp_isolate_no_new_privileges();
  if (rc < 0)
    fail(L, MP_RUN_NOT_BEGUN, "cannot give up new privileges", "");
  if ((j->flags & MPLUA_RUN_SECCOMP) == 0)
    return;
  rc = mp_seccomp_allow_only(j->syscalls, &bad);
  if (rc < 0)
    fail(L, MP_RUN_NOT_BEGUN,
         lua_pushfstring(L, "cannot restrict system calls (%s): %s", bad,
                         mplua_strerror(rc)),
         "");
}

/* --- the script ----------------------------------------------------------- */

struct start {
  const struct mp_job *job;
  lua_CFunction open;
};

static int open_all(lua_State *L) {
  const struct start *s = lua_touserdata(L, 1);
  mp_open_libraries(L, s->job);
  if (s->open != NULL && (s->job->flags & MPLUA_RUN_OPEN)) {
    lua_settop(L, 0);
    lua_pushcfunction(L, s->open);
    lua_call(L, 0, 0);
  }
  return 0;
}

/* -> the script as a function, its arguments */
static int load_script(lua_State *L) {
  static const struct mp_codec_opts data = {0};
  const struct mp_job *j = lua_touserdata(L, 1);
  const char *mode = j->flags & MPLUA_RUN_ALL_LIBRARIES ? NULL : "t";
  lua_settop(L, 0);
  if (luaL_loadbufferx(L, j->source.s, j->source.size, j->chunkname.s, mode))
    return lua_error(L);
  if (j->args.s != NULL && mp_decode(L, j->args.s, j->args.size, &data) < 0)
    return lua_error(L);
  return lua_gettop(L);
}

/* The message stays, the traceback is put aside. */
static int note_traceback(lua_State *L) {
  mp_limit_memory(L, SPARE);
  const char *message = luaL_tolstring(L, 1, NULL);
  luaL_traceback(L, L, message, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
  return 1;
}

/* Children that the script has started with this library are joined. */
static void end_family(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, "multiprocessing.at_end") !=
          LUA_TFUNCTION ||
      lua_pcall(L, 0, 0, 0) != LUA_OK)
    lua_pop(L, 1);
}

static void run(lua_State *L, const struct mp_job *j) {
  lua_pushcfunction(L, load_script);
  lua_pushlightuserdata(L, (void *)(uintptr_t)j);
  int status = lua_pcall(L, 1, LUA_MULTRET, 0);
  if (status != LUA_OK)
    fail_status(L, status, MP_RUN_RAISED);
  drop_privileges(L, j);
  lua_pushcfunction(L, note_traceback);
  lua_insert(L, 1);
  status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 1);
  lua_remove(L, 1);
  if (status != LUA_OK)
    fail_status(L, status, MP_RUN_RAISED);
  end_family(L);
  answer(L);
}

void mp_work_run(const struct mp_job *j, pid_t watcher, lua_CFunction open) {
  struct start s = {j, open};
  if (mp_isolate_die_with(watcher) < 0 || mp_isolate_session() < 0 ||
      set_descriptors(j) < 0)
    mp_exit_now(EXIT_FAILURE);
  mp_isolate_go_first();
  lua_State *L = luaL_newstate();
  if (L == NULL)
    mp_exit_now(EXIT_FAILURE);
  set_limits(L, j);
  lua_pushcfunction(L, open_all);
  lua_pushlightuserdata(L, &s);
  int status = lua_pcall(L, 1, 0, 0);
  if (status != LUA_OK)
    fail_status(L, status, MP_RUN_NOT_BEGUN);
  run(L, j);
  mp_exit_now(EXIT_SUCCESS);
}
