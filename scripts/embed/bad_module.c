/*
** bad_module.c: a Lua module that crashes when it is loaded, for plugin_host
** MIT licence, see LICENSE
**
** cc -shared -fPIC bad_module.c -o bad_module.so
*/

struct lua_State;

int luaopen_bad_module(struct lua_State *L);

int luaopen_bad_module(struct lua_State *L) {
  volatile int *nowhere = (volatile int *)0;
  (void)L;
  return *nowhere;
}
