/*
** run.c: protected calls under Ctrl-C, and the chunks that they run
** MIT licence, see LICENSE
*/

#include "host/run.h"

#include <stdlib.h>
#include <string.h>

#include "lauxlib.h"

#include "bind/interrupt.h"
#include "host/report.h"

int mp_run_call(lua_State *L, int nargs, int nresults) {
  int handler = lua_gettop(L) - nargs;
  lua_pushcfunction(L, mp_report_traceback);
  lua_insert(L, handler);
  mp_interrupt_arm(L, 0);
  int status = lua_pcall(L, nargs, nresults, handler);
  mp_interrupt_disarm();
  lua_remove(L, handler);
  return status;
}

/* Calls what luaL_load* left on the stack, if it is a chunk. */
static int run_loaded(lua_State *L, int status) {
  if (status == LUA_OK)
    status = mp_run_call(L, 0, 0);
  return mp_report(L, status);
}

int mp_run_file(lua_State *L, const char *path) {
  return run_loaded(L, luaL_loadfile(L, path));
}

int mp_run_string(lua_State *L, const char *code, const char *chunkname) {
  return run_loaded(L, luaL_loadbuffer(L, code, strlen(code), chunkname));
}

/*
** Without a name for the global it is the module's own, less a version
** suffix: "-l app-v2" is kept in `app`.
*/
int mp_run_library(lua_State *L, const char *spec) {
  const char *equals = strchr(spec, '=');
  const char *module = equals != NULL ? equals + 1 : spec;
  size_t n = equals != NULL ? (size_t)(equals - spec)
                            : strcspn(spec, "-");
  lua_pushlstring(L, spec, n);
  lua_getglobal(L, "require");
  lua_pushstring(L, module);
  int status = mp_run_call(L, 1, 1);
  if (status == LUA_OK)
    lua_setglobal(L, lua_tostring(L, -2));
  mp_report(L, status);
  lua_pop(L, 1);
  return status;
}

int mp_run_init(lua_State *L) {
  const char *name = "=LUA_INIT_5_4"; /* "=": a chunk's name as it stands */
  const char *init = getenv(name + 1);
  if (init == NULL) {
    name = "=LUA_INIT";
    init = getenv(name + 1);
  }
  if (init == NULL)
    return LUA_OK;
  if (init[0] == '@')
    return mp_run_file(L, init + 1);
  return mp_run_string(L, init, name);
}
