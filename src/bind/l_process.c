/*
** l_process.c: children as Lua sees them
** MIT licence, see LICENSE
**
** A child handle is made before the process is: a raise in between leaks
** nothing.  What a child does is Lua's (process.lua); here is only how it is
** born, how it is waited for, and that it never returns into the frames of
** its parent.
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
#include "bind/limit.h"
#include "bind/nursery.h"
#include "bind/output.h"
#include "os/clock.h"
#include "os/self.h"
#include "os/signal.h"
#include "proc/boot.h"
#include "proc/child.h"
#include "proc/fork.h"

#define CHILD "multiprocessing.child"

const void *mp_owner_of(lua_State *L) {
  return lua_topointer(L, LUA_REGISTRYINDEX);
}

/* --- handles -------------------------------------------------------------- */

static int process_new(lua_State *L) {
  struct mp_child **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, CHILD);
  *box = mp_child_new();
  if (*box == NULL)
    return luaL_error(L, "not enough memory");
  return 1;
}

struct mp_child *mp_check_child(lua_State *L, int arg) {
  struct mp_child **box = luaL_checkudata(L, arg, CHILD);
  if (*box == NULL)
    mp_raise(L, "ClosedError", "process object is closed");
  return *box;
}

static int child_close(lua_State *L) {
  struct mp_child **box = luaL_checkudata(L, 1, CHILD);
  if (*box != NULL)
    mp_child_release(*box);
  *box = NULL;
  return 0;
}

static int child_wait(lua_State *L) {
  struct mp_child *c = mp_check_child(L, 1);
  int64_t deadline = mp_opt_deadline(L, 2);
  int rc;
  do
    rc = mp_child_wait(c, mp_slice(deadline));
  while ((rc == -EINTR || (rc == 0 && mp_now() < deadline)) &&
         mp_interrupt_check(L));
  if (rc == -ECHILD)
    return luaL_error(L, "only the process that started it can wait for it");
  if (rc < 0)
    return mp_raise_code(L, rc, "cannot wait for a process");
  lua_pushboolean(L, rc);
  return 1;
}

static int child_status(lua_State *L) {
  lua_pushinteger(L, mp_child_status(mp_check_child(L, 1)));
  return 1;
}

static int child_pid(lua_State *L) {
  lua_pushinteger(L, mp_child_pid(mp_check_child(L, 1)));
  return 1;
}

static int child_sentinel(lua_State *L) {
  int fd = mp_child_sentinel(mp_check_child(L, 1));
  if (fd < 0)
    return 0;
  lua_pushinteger(L, fd);
  return 1;
}

static int child_signal(lua_State *L) {
  struct mp_child *c = mp_check_child(L, 1);
  int rc = mp_child_signal(c, (int)luaL_checkinteger(L, 2));
  if (rc == -ECHILD)
    return luaL_error(L, "only the process that started it can signal it");
  if (rc < 0)
    return mp_raise_code(L, rc, "cannot signal a process");
  return 0;
}

/* --- birth ---------------------------------------------------------------- */

/*
** The collector of a newborn would first walk, and so copy, every page of its
** parent's heap.  It is put off until the child has allocated as much again
** (at most 64 MiB): a negative step lowers the collector's debt.
*/
static void postpone_collector(lua_State *L) {
  int kib = lua_gc(L, LUA_GCCOUNT) + 1024;
  lua_gc(L, LUA_GCSTEP, -(kib < 65536 ? kib : 65536));
}

void mp_begin_life(lua_State *L) {
  mp_interrupt_arm(L, 0);
  postpone_collector(L);
}

/* A newborn that is interrupted before its target runs, or after it, ends as
** silently as one that is interrupted meanwhile. */
static int failed_life(const char *message) {
  if (mp_interrupt_seen() && strstr(message, "interrupted!") != NULL)
    return -SIGINT;
  fprintf(stderr, "multiprocessing: %s\n", message);
  return EXIT_FAILURE;
}

void mp_live(lua_State *co, struct mp_arena *a) {
  int status;
  struct mp_nursery nursery;
  mp_nursery_open(&nursery, co);
  mp_begin_life(co);
  if (lua_pcall(co, 1, 1, 0) == LUA_OK)
    status = (int)lua_tointeger(co, -1);
  else
    status = failed_life(luaL_tolstring(co, -1, NULL));
  mp_boot_exit(a, status);
}

/*
** The thread that newborns live on: fresh, so that nothing of the parent's call
** depth or hooks counts there.  The parent makes it once and never runs it.
*/
static lua_State *newborn_thread(lua_State *L) {
  static const char key = 0;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) != LUA_TTHREAD) {
    lua_newthread(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
  }
  lua_State *co = lua_tothread(L, -1);
  lua_Debug ar;
  if (lua_getstack(co, 0, &ar)) /* a newborn ourselves, we live on it */
    return lua_newthread(L);
  lua_settop(co, 0);
  return co;
}

/* child:fork(main, argument, daemon).  Returns in the parent only. */
static int child_fork(lua_State *L) {
  struct mp_child *c = mp_check_child(L, 1);
  struct mp_child_options o = {mp_owner_of(L), lua_toboolean(L, 4), 1};
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 3);
  struct mp_arena *a = mp_core_arena(L);
  lua_State *co = newborn_thread(L);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 3);
  lua_xmove(L, co, 2);
  mp_output_flush(L); /* else both would write what is buffered */
  int rc = mp_child_begin(c, a, &o);
  if (rc >= 0)
    rc = mp_child_fork(c, a);
  if (rc == 1)
    mp_live(co, a);
  lua_settop(co, 0); /* or it would keep the process, and its arguments */
  if (rc < 0)
    return mp_raise_code(L, rc, "cannot start a process");
  return 0;
}

/* --- the end -------------------------------------------------------------- */

static int kind_of(lua_State *L, int arg) {
  static const char *const names[] = {"plain", "daemon", "any", "server",
                                      NULL};
  return luaL_checkoption(L, arg, NULL, names) + MP_CHILD_PLAIN;
}

/* children_signal(kind, signal) */
static int process_children_signal(lua_State *L) {
  mp_children_signal(mp_owner_of(L), kind_of(L, 1), (int)luaL_checkinteger(L, 2));
  return 0;
}

/* children_wait(kind [, timeout]) -> boolean */
static int process_children_wait(lua_State *L) {
  int kind = kind_of(L, 1);
  int64_t deadline = mp_opt_deadline(L, 2);
  int rc;
  do
    rc = mp_children_wait(mp_owner_of(L), kind, mp_slice(deadline));
  while ((rc == -EINTR || (rc == 0 && mp_now() < deadline)) &&
         mp_interrupt_check(L));
  if (rc < 0)
    return mp_raise_code(L, rc, "cannot wait for children");
  lua_pushboolean(L, rc);
  return 1;
}

/* exit(status): the end of a child; negative: by that signal */
static int process_exit(lua_State *L) {
  int status = (int)luaL_checkinteger(L, 1);
  mp_boot_exit(mp_core_arena(L), status);
}

static int process_interrupt_arm(lua_State *L) {
  mp_interrupt_arm(L, 0);
  return 0;
}

static int process_interrupt_seen(lua_State *L) {
  lua_pushboolean(L, mp_interrupt_seen());
  return 1;
}

/* limit_memory(bytes): of what is allocated from now on */
static int process_limit_memory(lua_State *L) {
  lua_Integer bytes = luaL_checkinteger(L, 1);
  luaL_argcheck(L, bytes > 0, 1, "bytes must be positive");
  if (mp_limit_memory(L, (size_t)bytes) < 0)
    return luaL_error(L, "not enough memory");
  return 0;
}

/* seed() -> two random integers */
static int process_seed(lua_State *L) {
  lua_Integer n[2] = {0, 0};
  int rc = mp_random(n, sizeof n);
  if (rc < 0)
    return mp_raise_code(L, rc, "cannot get random bytes");
  lua_pushinteger(L, n[0]);
  lua_pushinteger(L, n[1]);
  return 2;
}

/* alive(slot) -> boolean: does that process of the family run? */
static int process_alive(lua_State *L) {
  mp_proc p = (mp_proc)luaL_checkinteger(L, 1);
  lua_pushboolean(L, mp_proc_runs(mp_core_arena(L), p));
  return 1;
}

/* self() -> slot of this process */
static int process_self(lua_State *L) {
  mp_proc p;
  int rc = mp_self_proc(mp_core_arena(L), &p);
  if (rc < 0)
    return mp_raise_code(L, rc, "cannot join the family");
  lua_pushinteger(L, p);
  return 1;
}

/*
** on_end(f) -> g: g runs f, once, and only in this process (a forked child has
** an end of its own).  The program calls g after its script; where the host
** knows nothing of it, it is called when the state is closed.
*/
static int run_at_end(lua_State *L) {
  pid_t creator = (pid_t)lua_tointeger(L, lua_upvalueindex(1));
  if (creator != mp_self_pid() || lua_toboolean(L, lua_upvalueindex(3)))
    return 0;
  lua_pushboolean(L, 1);
  lua_replace(L, lua_upvalueindex(3));
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_call(L, 0, 0);
  return 0;
}

static int process_on_end(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_pushinteger(L, mp_self_pid());
  lua_pushvalue(L, 1);
  lua_pushboolean(L, 0);
  lua_pushcclosure(L, run_at_end, 3);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, "multiprocessing.at_end");
  lua_newuserdatauv(L, 0, 0);
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_setfield(L, LUA_REGISTRYINDEX, "multiprocessing.end_guard");
  return 1;
}

/* --- the module ----------------------------------------------------------- */

static const luaL_Reg methods[] = {
    {"close", child_close},   {"fork", child_fork},
    {"pid", child_pid},       {"sentinel", child_sentinel},
    {"signal", child_signal}, {"status", child_status},
    {"wait", child_wait},     {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"new", process_new},
    {"children_signal", process_children_signal},
    {"children_wait", process_children_wait},
    {"exit", process_exit},
    {"interrupt_arm", process_interrupt_arm},
    {"interrupt_seen", process_interrupt_seen},
    {"on_end", process_on_end},
    {"limit_memory", process_limit_memory},
    {"seed", process_seed},
    {"alive", process_alive},
    {"self", process_self},
    {NULL, NULL},
};

int mp_open_process(lua_State *L) {
  luaL_newmetatable(L, CHILD);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, child_close);
  lua_setfield(L, -2, "__gc");
  luaL_newlib(L, functions);
  return 1;
}
