/*
** decode_object.c: names, classes, __reduce
** MIT licence, see LICENSE
**
** Only reached where code may pass: this is where modules are required and
** constructors called.
*/

#include "codec/decode.h"

#include <string.h>

#include "lauxlib.h"

#include "codec/fail.h"
#include "codec/stdlib.h"
#include "codec/wire.h"

/* --- paths ---------------------------------------------------------------- */

/* Pushes the path's keys; their number. */
static int get_path(lua_State *L, struct mp_decoder *d) {
  int n = *mp_dec_bytes(L, d, 1);
  if (n == 0)
    mp_dec_fail(L, d, "an empty name");
  luaL_checkstack(L, n + 16, NULL);
  for (int i = 0; i < n; i++) {
    size_t len = mp_get16(mp_dec_bytes(L, d, 2));
    lua_pushlstring(L, (const char *)mp_dec_bytes(L, d, len), len);
  }
  return n;
}

/* stack: keys -> keys, text */
static const char *path_text(lua_State *L, int n) {
  int first = lua_gettop(L) - n + 1;
  luaL_Buffer b;
  luaL_checkstack(L, 8, NULL);
  luaL_buffinit(L, &b);
  for (int i = 0; i < n; i++) {
    if (i > 0)
      luaL_addchar(&b, '.');
    lua_pushvalue(L, first + i);
    luaL_addvalue(&b);
  }
  luaL_pushresult(&b);
  return lua_tostring(L, -1);
}

/* stack: keys, table -> keys, what the path from key `from` on leads to */
static void follow(lua_State *L, int n, int from) {
  int first = lua_gettop(L) - n;
  for (int i = from; i < n; i++) {
    if (!lua_istable(L, -1)) {
      lua_pop(L, 1);
      lua_pushnil(L);
      return;
    }
    lua_pushvalue(L, first + i);
    lua_rawget(L, -2);
    lua_replace(L, -2);
  }
}

/* stack: keys -> keys, module.  Its name is the first key. */
static int push_module(lua_State *L, int n) {
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, -n - 1);
  if (lua_rawget(L, -2) != LUA_TNIL) {
    lua_remove(L, -2);
    return LUA_OK;
  }
  lua_pop(L, 1);
  lua_getfield(L, -1, "_G");
  lua_pushliteral(L, "require");
  lua_rawget(L, -2);
  lua_replace(L, -3);
  lua_pop(L, 1);
  lua_pushvalue(L, -n - 1);
  return lua_pcall(L, 1, 1, 0);
}

/* stack: keys -> keys [, function]: Lua's own, whatever is there by now */
static int push_original(lua_State *L, int n) {
  if (n != 2)
    return 0;
  mp_originals_push(L);
  follow(L, n, 0);
  if (lua_isfunction(L, -1))
    return 1;
  lua_pop(L, 1);
  return 0;
}

int mp_get_name(lua_State *L, struct mp_decoder *d, uint64_t at, int shared) {
  int base = lua_gettop(L);
  int n = get_path(L, d);
  if (push_original(L, n))
    n = 0; /* there it is */
  else if (push_module(L, n) != LUA_OK) {
    const char *why = luaL_tolstring(L, -1, NULL);
    lua_insert(L, base + 1);
    lua_settop(L, base + 1 + n);
    return mp_codec_fail(L, "cannot load module '%s', which is needed for %s: "
                            "%s",
                         lua_tostring(L, base + 2), path_text(L, n), why);
  }
  if (n > 0)
    follow(L, n, 1);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return mp_codec_fail(L, "there is no %s here: module '%s' does not have it",
                         path_text(L, n), lua_tostring(L, base + 1));
  }
  lua_replace(L, base + 1);
  lua_settop(L, base + 1);
  if (shared)
    mp_dec_remember(L, at);
  return 1;
}

/* --- classes and other tables that may be here already -------------------- */

/* stack: keys -> keys, table or nil */
static void find_here(lua_State *L, int n, int tag) {
  if (tag == MP_TAG_CLASS) {
    lua_pushglobaltable(L);
    follow(L, n, 0);
  }
  else if (push_module(L, n) == LUA_OK)
    follow(L, n, 1);
  if (!lua_istable(L, -1)) {
    lua_pop(L, 1);
    lua_pushnil(L);
  }
}

/*
** The table that is here serves as the record's; sent fields go into it only
** in a worker, where what is sent replaces.  Otherwise they are read and
** dropped.  slots: path as a list, or nil; the table that is here, or nil.
*/
int mp_get_class(lua_State *L, struct mp_decoder *d, uint64_t at, int tag) {
  int base = lua_gettop(L);
  int n = get_path(L, d);
  find_here(L, n, tag);
  int here = lua_istable(L, -1);
  lua_insert(L, base + 1);
  if (tag == MP_TAG_CLASS && !here) {
    lua_createtable(L, n, 0);
    lua_insert(L, base + 2);
    for (int i = n; i > 0; i--)
      lua_rawseti(L, base + 2, i);
  }
  else {
    lua_settop(L, base + 1);
    lua_pushnil(L);
  }
  lua_insert(L, base + 1);
  mp_dec_push(L, d, MP_DEC_CLASS, at, 2);
  d->here = (uint8_t)(!here ? MP_HERE_NO
                      : tag == MP_TAG_CLASS && (d->flags & MP_CODEC_REPLACE)
                          ? MP_HERE_FILL
                          : MP_HERE_KEEP);
  d->owed++; /* the table that must follow */
  if (d->p == d->end || *d->p < MP_TAG_TABLE || *d->p > MP_TAG_BIGOBJECT + 1)
    mp_dec_fail(L, d, "a class that is no table");
  if (!mp_get_value(L, d))
    return 0;
  return mp_take_class(L, d);
}

/* stack: path list, table.  The class becomes that global, unless there is
** something else on the way. */
static void set_global(lua_State *L) {
  int path = lua_gettop(L) - 1;
  int n = (int)lua_rawlen(L, path);
  lua_pushglobaltable(L);
  for (int i = 1; i < n; i++) {
    lua_rawgeti(L, path, i);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_newtable(L);
      lua_pushvalue(L, -2);
      lua_pushvalue(L, -2);
      lua_rawset(L, -5);
    }
    lua_replace(L, -3);
    lua_pop(L, 1);
    if (!lua_istable(L, -1)) {
      lua_pop(L, 1);
      return;
    }
  }
  lua_rawgeti(L, path, n);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, -3) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_pushvalue(L, path + 1);
    lua_rawset(L, -3);
    lua_pop(L, 1);
  }
  else
    lua_pop(L, 3);
}

/* stack: path or nil, table that is here or nil, table that came */
int mp_take_class(lua_State *L, struct mp_decoder *d) {
  if (lua_istable(L, -3)) {
    lua_remove(L, -2);
    set_global(L);
    lua_remove(L, -2);
  }
  else {
    if (lua_istable(L, -2))
      lua_pop(L, 1);
    else
      lua_remove(L, -2);
    lua_remove(L, -2);
  }
  mp_dec_pop(L, d);
  return 1;
}

/* --- __reduce ------------------------------------------------------------- */

int mp_get_reduce(lua_State *L, struct mp_decoder *d, uint64_t at,
                  int shared) {
  uint32_t n = mp_get32(mp_dec_bytes(L, d, 4));
  if (n == 0 || n > INT32_MAX)
    mp_dec_fail(L, d, "nothing to construct with");
  mp_dec_claim(L, d, n);
  lua_createtable(L, (int)n, 0);
  struct mp_dec_frame *f = mp_dec_push(L, d, MP_DEC_REDUCE, at, 1);
  f->pairs = n;
  f->shared = (uint8_t)shared;
  return 0;
}

/* stack: list -> what the constructor makes */
static void construct(lua_State *L, struct mp_decoder *d, uint32_t n) {
  int list = lua_gettop(L);
  if (lua_rawgeti(L, list, 1) != LUA_TFUNCTION)
    mp_dec_fail(L, d, "a constructor that is no function");
  if (n > 1000000 || !lua_checkstack(L, (int)n + 16))
    mp_codec_fail(L, "too many arguments for a constructor");
  for (uint32_t i = 2; i <= n; i++)
    lua_rawgeti(L, list, (lua_Integer)i);
  lua_call(L, (int)n - 1, 1);
  lua_replace(L, list);
}

/* stack: list, value */
int mp_take_reduce(lua_State *L, struct mp_decoder *d) {
  struct mp_dec_frame *f = mp_dec_top(d);
  lua_rawseti(L, -2, (lua_Integer)++f->list);
  if (f->list < f->pairs)
    return 0;
  construct(L, d, f->pairs);
  f = mp_dec_top(d);
  if (f->shared)
    mp_dec_remember(L, f->at);
  mp_dec_pop(L, d);
  return 1;
}
