/*
** originals.c: the standard library as it was before anybody changed it
** MIT licence, see LICENSE
**
** Scripts replace print and keep the old one in an upvalue.  That upvalue is
** still Lua's print, and must be in the receiver, whatever `print` is there.
** A fresh state has the C functions; the same ones are made here.
*/

#include "codec/stdlib.h"

#include "lauxlib.h"
#include "lualib.h"

static const char originals_key = 0;
static const char stand_ins_key = 0; /* library -> field -> function */

/* Pushes a table: field -> C function, as the fresh state has them. */
static void push_fields(lua_State *L, lua_State *fresh,
                        const struct mp_library *lib) {
  lua_newtable(L);
  for (const char *const *f = lib->fields; *f != NULL; f++) {
    lua_getfield(fresh, -1, *f);
    lua_CFunction function = lua_tocfunction(fresh, -1);
    if (function != NULL && lua_getupvalue(fresh, -1, 1) == NULL) {
      lua_pushcfunction(L, function);
      lua_setfield(L, -2, *f);
    }
    lua_settop(fresh, 2);
  }
}

static void push_stand_ins(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &stand_ins_key) == LUA_TTABLE)
    return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &stand_ins_key);
}

void mp_originals_stand_in(lua_State *L, const char *lib, const char *field) {
  push_stand_ins(L);
  luaL_getsubtable(L, -1, lib);
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, field);
  lua_pop(L, 3);
}

/* stack: the library's functions -> the same, with those that stand in */
static void add_stand_ins(lua_State *L, const char *lib) {
  push_stand_ins(L);
  if (lua_getfield(L, -1, lib) == LUA_TTABLE) {
    for (lua_pushnil(L); lua_next(L, -2);) {
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_settable(L, -6);
    }
  }
  lua_pop(L, 2);
}

/* upvalue-free C function, protected: 1 light userdata, the fresh state */
static int make(lua_State *L) {
  lua_State *fresh = lua_touserdata(L, 1);
  lua_newtable(L);
  for (const struct mp_library *lib = mp_libraries; lib->name; lib++) {
    lua_settop(fresh, 1);
    if (lua_getfield(fresh, 1, lib->name) != LUA_TTABLE)
      continue;
    push_fields(L, fresh, lib);
    add_stand_ins(L, lib->name);
    lua_setfield(L, -2, lib->name);
  }
  return 1;
}

static int open_fresh(lua_State *fresh) {
  luaL_openlibs(fresh);
  lua_settop(fresh, 0);
  lua_getfield(fresh, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  return 1;
}

void mp_originals_push(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &originals_key) == LUA_TTABLE)
    return;
  lua_pop(L, 1);
  luaL_checkstack(L, 8, NULL);
  lua_pushcfunction(L, make);
  lua_State *fresh = luaL_newstate();
  int rc = LUA_ERRMEM;
  if (fresh != NULL) {
    lua_pushcfunction(fresh, open_fresh);
    rc = lua_pcall(fresh, 0, 1, 0);
  }
  if (rc == LUA_OK) {
    lua_pushlightuserdata(L, fresh);
    rc = lua_pcall(L, 1, 1, 0);
  }
  else
    lua_pushliteral(L, "not enough memory");
  if (fresh != NULL)
    lua_close(fresh);
  if (rc != LUA_OK)
    lua_error(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &originals_key);
}
