/*
** libraries.c: what the script of a run may see
** MIT licence, see LICENSE
**
** The small set can compute, print, and know the time.  It cannot read or write
** files, start programs, load C or bytecode, or look into other functions.
*/

#include "embed/worker.h"

#include "lauxlib.h"
#include "lualib.h"

#include "mplua.h"

static const luaL_Reg small_set[] = {
    {LUA_GNAME, luaopen_base},         {LUA_COLIBNAME, luaopen_coroutine},
    {LUA_TABLIBNAME, luaopen_table},   {LUA_STRLIBNAME, luaopen_string},
    {LUA_MATHLIBNAME, luaopen_math},   {LUA_UTF8LIBNAME, luaopen_utf8},
    {NULL, NULL},
};

static const char *const of_os[] = {"clock", "date", "difftime", "time",
                                    NULL};

/* upvalue 1: Lua's own.  load(chunk [, name [, mode [, env]]]), text only */
static int load_text(lua_State *L) {
  int n = lua_gettop(L);
  lua_settop(L, n < 3 ? 3 : n);
  lua_pushliteral(L, "t");
  lua_replace(L, 3);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

static void remove_global(lua_State *L, const char *name) {
  lua_pushnil(L);
  lua_setglobal(L, name);
}

static void open_part_of_os(lua_State *L) {
  luaopen_os(L);
  lua_newtable(L);
  for (const char *const *name = of_os; *name != NULL; name++) {
    lua_getfield(L, -2, *name);
    lua_setfield(L, -2, *name);
  }
  lua_setglobal(L, "os");
  lua_pop(L, 1);
}

/* stack: package.  Only what is preloaded and Lua files are found. */
static void keep_two_searchers(lua_State *L) {
  lua_getfield(L, -1, "searchers");
  for (lua_Integer i = luaL_len(L, -1); i > 2; i--) {
    lua_pushnil(L);
    lua_rawseti(L, -2, i);
  }
  lua_pop(L, 1);
}

/* `require` keeps the package table; the script does not get it. */
static void open_require(lua_State *L, const char *path) {
  luaL_requiref(L, LUA_LOADLIBNAME, luaopen_package, 0);
  lua_pushstring(L, path);
  lua_setfield(L, -2, "path");
  keep_two_searchers(L);
  lua_pop(L, 1);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushnil(L);
  lua_setfield(L, -2, LUA_LOADLIBNAME);
  lua_pop(L, 1);
}

static void open_small_set(lua_State *L, const struct mp_job *j) {
  for (const luaL_Reg *lib = small_set; lib->name != NULL; lib++) {
    luaL_requiref(L, lib->name, lib->func, 1);
    lua_pop(L, 1);
  }
  open_part_of_os(L);
  if (j->path.s != NULL)
    open_require(L, j->path.s);
  remove_global(L, "dofile");
  remove_global(L, "loadfile");
  lua_getglobal(L, "load");
  lua_pushcclosure(L, load_text, 1);
  lua_setglobal(L, "load");
  lua_getglobal(L, LUA_STRLIBNAME);
  lua_pushnil(L);
  lua_setfield(L, -2, "dump");
  lua_pop(L, 1);
}

static void set_path(lua_State *L, const char *name, const char *path) {
  if (path == NULL)
    return;
  lua_getglobal(L, LUA_LOADLIBNAME);
  lua_pushstring(L, path);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

void mp_open_libraries(lua_State *L, const struct mp_job *j) {
  if ((j->flags & MPLUA_RUN_ALL_LIBRARIES) == 0) {
    open_small_set(L, j);
    return;
  }
  luaL_openlibs(L);
  mplua_openlibs(L);
  set_path(L, "path", j->path.s);
  set_path(L, "cpath", j->cpath.s);
}
