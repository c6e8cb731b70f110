/*
** fail.c: how the codec raises
** MIT licence, see LICENSE
**
** The codec is below bind/, but what it raises are the library's error
** objects: whoever opens it hands it the module that makes them.
*/

#include "codec/fail.h"

#include <stdarg.h>

#include "lauxlib.h"

static const char errors_key = 0; /* in the registry: the module */
static const char class_key = 0;  /* and its metatable */

void mp_codec_set_errors(lua_State *L) {
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &errors_key);
  lua_getfield(L, -1, "Condition");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &class_key);
}

void mp_codec_condition(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &class_key);
}

int mp_codec_raise(lua_State *L) {
  luaL_checkstack(L, 4, NULL);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &errors_key) != LUA_TTABLE) {
    lua_pop(L, 1);
    return lua_error(L); /* a host that never opened the library */
  }
  lua_getfield(L, -1, "new");
  lua_pushliteral(L, "SerializationError");
  lua_pushvalue(L, -4);
  lua_call(L, 2, 1);
  return lua_error(L);
}

int mp_codec_fail(lua_State *L, const char *fmt, ...) {
  va_list args;
  luaL_checkstack(L, 4, NULL);
  va_start(args, fmt);
  lua_pushvfstring(L, fmt, args);
  va_end(args);
  return mp_codec_raise(L);
}

int mp_codec_no_memory(lua_State *L) {
  lua_pushliteral(L, "not enough memory");
  return lua_error(L);
}
