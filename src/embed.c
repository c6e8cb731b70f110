/*
** embed.c: the library's face for C hosts
** MIT licence, see LICENSE
*/

#include "mplua.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

#include "bind/child.h"
#include "bind/core.h"
#include "embed/error.h"
#include "embed/worker.h"
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

/* (open) -> the libraries of a standalone interpreter, with ours among them,
** and what the host adds */
static int open_all(lua_State *L) {
  luaL_openlibs(L);
  mplua_openlibs(L);
  lua_settop(L, 1);
  if (lua_iscfunction(L, 1))
    lua_call(L, 0, 0);
  return 0;
}

static void be_child(const char *word, lua_CFunction open) {
  lua_State *L = luaL_newstate();
  if (L == NULL)
    return;
  lua_pushcfunction(L, open_all);
  if (open != NULL)
    lua_pushcfunction(L, open);
  if (lua_pcall(L, open != NULL, 0, 0) == LUA_OK)
    mp_newborn(L, word);
  fprintf(stderr, "multiprocessing: cannot start a child: %s\n",
          luaL_tolstring(L, -1, NULL));
}

void mplua_child_entry_with(int argc, char **argv, mplua_cfunction open) {
  mp_program_set_target();
  if (argc < 3 || strcmp(argv[1], MP_CHILD_OPTION) != 0)
    return;
  if (strcmp(argv[2], MP_RUN_WORD) == 0)
    mp_watch_run(open);
  be_child(argv[2], open);
  mp_exit_now(EXIT_FAILURE);
}

void mplua_child_entry(int argc, char **argv) {
  mplua_child_entry_with(argc, argv, NULL);
}

/* (path) */
static int set_executable(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "multiprocessing");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "set_executable");
  lua_pushstring(L, lua_touserdata(L, 1));
  lua_call(L, 1, 0);
  return 0;
}

int mplua_set_executable(lua_State *L, const char *path,
                         struct mplua_error *e) {
  if (!lua_checkstack(L, 4))
    return mp_fail_code(e, -ENOMEM, "mplua_set_executable");
  lua_pushcfunction(L, set_executable);
  lua_pushlightuserdata(L, (void *)(uintptr_t)path);
  int status = lua_pcall(L, 1, 0, 0);
  return status == LUA_OK ? 0 : mp_fail_lua(L, status, e);
}
