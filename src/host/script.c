/*
** script.c: the script and its arguments
** MIT licence, see LICENSE
*/

#include "host/script.h"

#include <limits.h>
#include <string.h>

#include "lauxlib.h"

#include "host/report.h"
#include "host/run.h"

/* Without a script the program itself is number 0. */
void mp_script_arg(lua_State *L, const struct mp_options *o) {
  int zero = o->script < o->argc ? o->script : 0;
  int after = o->argc - zero - 1;
  lua_createtable(L, after > 0 ? after : 0, zero + 1);
  for (int i = 0; i < o->argc; i++) {
    lua_pushstring(L, o->argv[i]);
    lua_rawseti(L, -2, i - zero);
  }
  lua_setglobal(L, "arg");
}

/* Pushes arg[1], arg[2]...: what -e or -l made of `arg` counts. */
static int push_arguments(lua_State *L) {
  if (lua_getglobal(L, "arg") != LUA_TTABLE)
    return luaL_error(L, "'arg' is not a table");
  int table = lua_gettop(L);
  lua_Integer n = luaL_len(L, table);
  if (n > INT_MAX - 3)
    return luaL_error(L, "too many arguments to script");
  luaL_checkstack(L, (int)n + 3, "too many arguments to script");
  for (lua_Integer i = 1; i <= n; i++)
    lua_rawgeti(L, table, i);
  lua_remove(L, table);
  return (int)n;
}

/* "-" is standard input, unless "--" says that it is a file's name. */
static const char *file_of(const struct mp_options *o) {
  const char *name = o->argv[o->script];
  int after_dashes = strcmp(o->argv[o->script - 1], "--") == 0;
  return strcmp(name, "-") == 0 && !after_dashes ? NULL : name;
}

int mp_script_run(lua_State *L, const struct mp_options *o) {
  int status = luaL_loadfile(L, file_of(o));
  if (status == LUA_OK)
    status = mp_run_call(L, push_arguments(L), 0);
  return mp_report(L, status);
}
