/*
** minimal.c: a C program whose Lua has multiprocessing
** MIT licence, see LICENSE
**
** cc minimal.c -o minimal $(pkg-config --cflags --libs mplua) && ./minimal
*/

#include <lauxlib.h>
#include <lualib.h>
#include <mplua.h>
#include <stdio.h>

static const char script[] =
    "local mp = require 'multiprocessing'\n"
    "local pool <close> = mp.Pool(2)\n"
    "local squares = pool:map(function(x) return x * x end, { 1, 2, 3 })\n"
    "print(table.concat(squares, ' '))\n";

int main(int argc, char **argv) {
  mplua_child_entry(argc, argv); /* lets the program be its own child */
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  mplua_openlibs(L);
  int failed = luaL_dostring(L, script);
  if (failed)
    fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
  lua_close(L);
  return failed;
}
