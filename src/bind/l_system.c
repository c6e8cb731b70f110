/*
** l_system.c: time, processors, process numbers
** MIT licence, see LICENSE
*/

#include "bind/modules.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include <string.h>

#include "base/code.h"
#include "bind/core.h"
#include "bind/task.h"
#include "os/clock.h"
#include "os/self.h"
#include "os/signal.h"

static int system_now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)mp_now() / 1e9);
  return 1;
}

static int system_sleep(lua_State *L) {
  luaL_checknumber(L, 1);
  int64_t deadline = mp_opt_deadline(L, 1);
  if (mp_task_can_wait(L))
    return mp_task_sleep(L, deadline);
  do {
    mp_interrupt_check(L);
    mp_sleep_until(mp_slice(deadline));
  } while (mp_now() < deadline);
  mp_interrupt_check(L);
  return 0;
}

static int system_getpid(lua_State *L) {
  lua_pushinteger(L, mp_self_pid());
  return 1;
}

static int system_cpu_count(lua_State *L) {
  lua_pushinteger(L, mp_cpu_count());
  return 1;
}

static int system_thread_count(lua_State *L) {
  lua_pushinteger(L, mp_self_thread_count());
  return 1;
}

/* "SIGTERM", "TERM" or 15 -> 15 */
static int check_signal(lua_State *L, int arg) {
  if (lua_type(L, arg) != LUA_TSTRING)
    return (int)luaL_optinteger(L, arg, SIGTERM);
  const char *name = lua_tostring(L, arg);
  const char *shortname = strncmp(name, "SIG", 3) == 0 ? name + 3 : name;
  for (int sig = 1; sig < NSIG; sig++) {
    const char *known = sigabbrev_np(sig);
    if (known != NULL && strcmp(known, shortname) == 0)
      return sig;
  }
  return luaL_argerror(L, arg, lua_pushfstring(L, "unknown signal '%s'; a "
                                               "number, or a name as SIGTERM",
                                               name));
}

/* kill(pid [, signal = 15]) */
static int system_kill(lua_State *L) {
  int pid = (int)luaL_checkinteger(L, 1);
  int rc = mp_signal_send(pid, check_signal(L, 2));
  if (rc < 0)
    mp_raise(L, "ProcessError", "cannot signal process %d: %s", pid,
             mp_code_text(rc));
  return 0;
}

/* signal_name(15) -> "SIGTERM", or nil */
static int system_signal_name(lua_State *L) {
  const char *name = sigabbrev_np((int)luaL_checkinteger(L, 1));
  if (name == NULL)
    return 0;
  lua_pushfstring(L, "SIG%s", name);
  return 1;
}

static int system_isatty(lua_State *L) {
  lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
  return 1;
}

static const luaL_Reg functions[] = {
    {"isatty", system_isatty},
    {"now", system_now},
    {"sleep", system_sleep},
    {"getpid", system_getpid},
    {"cpu_count", system_cpu_count},
    {"kill", system_kill},
    {"signal_name", system_signal_name},
    {"thread_count", system_thread_count},
    {NULL, NULL},
};

int mp_open_system(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
