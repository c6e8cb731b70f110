/*
** l_codec.c: dumps and loads
** MIT licence, see LICENSE
*/

#include "bind/modules.h"

#include <string.h>

#include "bind/core.h"
#include "codec/codec.h"
#include "codec/fail.h"

/* Options are a table with this one name in it, or nothing: pushes its value,
** or nil. */
static void push_option(lua_State *L, int arg, const char *name) {
  lua_settop(L, arg);
  if (lua_isnil(L, arg)) {
    lua_pushnil(L);
    return;
  }
  luaL_checktype(L, arg, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, arg); lua_pop(L, 1)) {
    if (lua_type(L, -2) == LUA_TSTRING &&
        strcmp(lua_tostring(L, -2), name) == 0)
      continue;
    const char *other = luaL_tolstring(L, -2, NULL);
    luaL_argerror(L, arg, lua_pushfstring(L, "unknown option '%s'", other));
  }
  lua_getfield(L, arg, name);
}

/* in bytes; 0: none */
static uint64_t limit_option(lua_State *L, int arg) {
  push_option(L, arg, "limit");
  if (lua_isnil(L, -1))
    return 0;
  int isinteger;
  lua_Integer limit = lua_tointegerx(L, -1, &isinteger);
  luaL_argcheck(L, isinteger && limit > 0, arg,
                "'limit' must be a positive number of bytes");
  return (uint64_t)limit;
}

/* The message as a Lua string. */
static void push_message(lua_State *L, struct mp_encoded *e) {
  luaL_Buffer b;
  size_t size = (size_t)mp_encoded_size(e);
  const void *flat = mp_encoded_flat(e);
  if (flat != NULL) {
    lua_pushlstring(L, flat, size);
    return;
  }
  mp_encoded_copy(e, luaL_buffinitsize(L, &b, size));
  luaL_pushresultsize(&b, size);
}

/* dumps(v [, {limit =}]) */
static int codec_dumps(lua_State *L) {
  struct mp_codec_opts opts = {MP_CODEC_CODE, 0, NULL, 0};
  luaL_checkany(L, 1);
  if (lua_gettop(L) > 1)
    opts.limit = limit_option(L, 2);
  struct mp_encoded *e = mp_encode(L, 1, 1, &opts);
  push_message(L, e);
  lua_insert(L, -2);
  mp_encoded_done(L, e);
  return 1;
}

/* loads(s [, {functions = true}]) -> the values */
static int codec_loads(lua_State *L) {
  struct mp_codec_opts opts = {MP_CODEC_CODE, 0, NULL, 0};
  size_t size;
  luaL_checktype(L, 1, LUA_TSTRING);
  if (lua_gettop(L) > 1) {
    push_option(L, 2, "functions");
    if (!lua_isnil(L, -1) && !lua_toboolean(L, -1))
      opts.flags = 0;
  }
  const char *data = lua_tolstring(L, 1, &size);
  int n = mp_decode(L, data, size, &opts);
  if (n < 0)
    return lua_error(L);
  return n;
}

static const luaL_Reg functions[] = {
    {"dumps", codec_dumps},
    {"loads", codec_loads},
    {NULL, NULL},
};

int mp_open_codec(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "multiprocessing.errors");
  lua_call(L, 1, 1);
  mp_codec_set_errors(L);
  luaL_newlib(L, functions);
  return 1;
}
