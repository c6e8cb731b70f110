/*
** embed.c: the library's face for C hosts
** MIT licence, see LICENSE
*/

#include "mplua.h"

#include <stdlib.h>
#include <string.h>

#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

#include "bind/child.h"
#include "bind/core.h"
#include "os/program.h"
#include "os/spawn.h"

const char *mplua_version(void) {
  return MPLUA_VERSION;
}

void mplua_openlibs(lua_State *L) {
  mp_core_preload(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_multiprocessing);
  lua_setfield(L, -2, "multiprocessing");
  lua_pop(L, 1);
}

int luaopen_multiprocessing(lua_State *L) {
  mp_core_preload(L);
  return mp_core_require(L, "multiprocessing");
}

/* The libraries of a standalone interpreter, with ours among them. */
static int open_all(lua_State *L) {
  luaL_openlibs(L);
  mplua_openlibs(L);
  return 0;
}

void mplua_child_entry(int argc, char **argv) {
  mp_program_set_target();
  if (argc < 3 || strcmp(argv[1], MP_CHILD_OPTION) != 0)
    return;
  lua_State *L = luaL_newstate();
  if (L != NULL) {
    lua_pushcfunction(L, open_all);
    if (lua_pcall(L, 0, 0, 0) == LUA_OK)
      mp_newborn(L, argv[2]);
  }
  mp_exit_now(EXIT_FAILURE);
}
