/*
** embed.c: the library's face for C hosts
** MIT licence, see LICENSE
*/

#include "mplua.h"

#include "lauxlib.h"
#include "lua.h"

#include "bind/core.h"

const char *mplua_version(void) {
  return MPLUA_VERSION;
}

void mplua_openlibs(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_multiprocessing);
  lua_setfield(L, -2, "multiprocessing");
  lua_pop(L, 1);
}

int luaopen_multiprocessing(lua_State *L) {
  mp_core_preload(L);
  return mp_core_require(L, "multiprocessing");
}

void mplua_child_entry(int argc, char **argv) {
  (void)argc;
  (void)argv;
}
