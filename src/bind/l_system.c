/*
** l_system.c: time, processors, process numbers
** MIT licence, see LICENSE
*/

#include "bind/modules.h"

#include <errno.h>
#include <signal.h>

#include "bind/core.h"
#include "os/clock.h"
#include "os/self.h"

static int system_now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)mp_now() / 1e9);
  return 1;
}

static int system_sleep(lua_State *L) {
  luaL_checknumber(L, 1);
  int64_t deadline = mp_opt_deadline(L, 1);
  while (mp_sleep_until(deadline) == -EINTR)
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

static const luaL_Reg functions[] = {
    {"now", system_now},
    {"sleep", system_sleep},
    {"getpid", system_getpid},
    {"cpu_count", system_cpu_count},
    {"thread_count", system_thread_count},
    {NULL, NULL},
};

int mp_open_system(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
