/*
** main.c: the program
** MIT licence, see LICENSE
*/

#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

#include "mplua.h"

int main(int argc, char **argv) {
  lua_State *L = luaL_newstate();
  mplua_child_entry(argc, argv);
  luaL_openlibs(L);
  mplua_openlibs(L);
  int failed = argc > 1 && luaL_dofile(L, argv[1]);
  lua_close(L);
  return failed;
}
