/*
** l_task.c: coroutines that others need not wait for, multiprocessing.core.task
** MIT licence, see LICENSE
**
** A task is a coroutine that is run by task.resume.  It gives way when it waits
** (mp.sleep and what manager/waiting.lua covers), and it is made to when it has
** worked for long: a tick (os/ticker.h) leaves a hook behind, as Ctrl-C does,
** which yields at the next instruction.  So nothing slows a task down before,
** and one that needs less than PATIENCE - 1 ticks is never interrupted.
**
** The hook cannot yield across a C function (a comparison of table.sort, the
** callback of string.gsub): it tries again when that may have returned.
*/

#include "bind/modules.h"

#include <math.h>
#include <signal.h>
#include <stdint.h>

#include "bind/core.h"
#include "bind/task.h"
#include "os/clock.h"
#include "os/ticker.h"

#define TICK (5 * MP_MS)
enum { PATIENCE = 2, TRY_AGAIN = 1000 /* instructions */ };

static lua_State *volatile current; /* the coroutine that is running */
static volatile sig_atomic_t ticks; /* since it was resumed */
static int was_hook; /* it did not yield by itself */
static const char waits; /* its address, as first value: it sleeps */

/* --- giving way ----------------------------------------------------------- */

/* A coroutine that was made meanwhile has the hook, too, but it is another's
** to resume. */
static void give_way(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  if (L != current)
    return;
  if (!lua_isyieldable(L)) {
    lua_sethook(L, give_way, LUA_MASKCOUNT, TRY_AGAIN);
    return;
  }
  was_hook = 1;
  lua_yield(L, 0);
}

/* lua_sethook may be called in a handler.  Once, for it goes through all the
** calls of L, which may take longer than a tick. */
static void on_tick(int sig) {
  lua_State *L = current;
  (void)sig;
  if (L != NULL && ++ticks == PATIENCE)
    lua_sethook(L, give_way, LUA_MASKCOUNT, 1);
}

int mp_task_can_wait(lua_State *L) {
  return L == current && lua_isyieldable(L);
}

static int slept(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  return mp_now() < deadline ? mp_task_sleep(L, deadline) : 0;
}

int mp_task_sleep(lua_State *L, int64_t deadline) {
  lua_settop(L, 0);
  lua_pushlightuserdata(L, (void *)(uintptr_t)&waits);
  lua_pushnumber(L, deadline == MP_FOREVER ? (lua_Number)HUGE_VAL
                                           : (lua_Number)deadline / 1e9);
  return lua_yieldk(L, 2, (lua_KContext)deadline, slept);
}

/* --- running -------------------------------------------------------------- */

static const char *outcome(lua_State *co, int status) {
  (void)co;
  if (status == LUA_YIELD)
    return was_hook ? "tick" : "yield";
  return status == LUA_OK ? "end" : "error";
}

static int run(lua_State *L, lua_State *co, int n, int *status) {
  lua_State *before = current;
  int results = 0;
  was_hook = 0;
  ticks = 0;
  current = co;
  *status = lua_resume(co, L, n, &results);
  current = before; /* then no tick can put the hook back */
  ticks = 0;
  if (lua_gethook(co) == give_way)
    lua_sethook(co, NULL, 0, 0);
  return results;
}

static int is_dead(lua_State *co) {
  lua_Debug ar;
  return lua_status(co) == LUA_OK && !lua_getstack(co, 0, &ar) &&
         lua_gettop(co) == 0;
}

/* resume(co, ...) -> "end" | "yield", values; "tick"; "error", value */
static int task_resume(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  int n = lua_gettop(L) - 1, status;
  luaL_argexpected(L, co != NULL, 1, "coroutine");
  if (is_dead(co) || !lua_checkstack(co, n)) {
    lua_pushliteral(L, "error");
    lua_pushstring(L, is_dead(co) ? "cannot resume dead coroutine"
                                  : "too many arguments to resume");
    return 2;
  }
  lua_xmove(L, co, n);
  int results = run(L, co, n, &status);
  lua_pushstring(L, outcome(co, status));
  if (status != LUA_OK && status != LUA_YIELD)
    results = 1;
  if (!lua_checkstack(L, results + 1)) {
    lua_pop(co, results);
    return luaL_error(L, "too many results to resume");
  }
  lua_xmove(co, L, results);
  return 1 + results;
}

/* start(), stop(): the ticks */
static int task_start(lua_State *L) {
  int rc = mp_ticker_start(TICK, on_tick);
  return rc < 0 ? mp_raise_code(L, rc, "cannot start a timer") : 0;
}

static int task_stop(lua_State *L) {
  (void)L;
  mp_ticker_stop();
  return 0;
}

/* can_wait() -> boolean: is the caller a task that may give way? */
static int task_can_wait(lua_State *L) {
  lua_pushboolean(L, mp_task_can_wait(L));
  return 1;
}

static const luaL_Reg functions[] = {
    {"resume", task_resume}, {"can_wait", task_can_wait},
    {"start", task_start},   {"stop", task_stop},
    {NULL, NULL}};

int mp_open_task(lua_State *L) {
  luaL_newlib(L, functions);
  lua_pushlightuserdata(L, (void *)(uintptr_t)&waits);
  lua_setfield(L, -2, "waits");
  return 1;
}
