/*
** pool_items.c: a pool's items and results as bytes
** MIT licence, see LICENSE
*/

#include "bind/pool_items.h"

#include <limits.h>
#include <string.h>

#include "lauxlib.h"

#include "base/code.h"

enum tag { NIL, FALSE_, TRUE_, INT1, INT2, INT4, INT8, NUM, STR1, STR4, MANY,
           CODED };

enum { SCALARS_MAX = 255, STRING_MAX = 64 * 1024 };

const struct mp_codec_opts mp_item_opts = {
    .flags = MP_CODEC_CODE | MP_CODEC_SHARED | MP_CODEC_REPLACE};

/* --- writing --------------------------------------------------------------- */

static size_t int_size(lua_Integer v) {
  if (v >= INT8_MIN && v <= INT8_MAX)
    return 2;
  if (v >= INT16_MIN && v <= INT16_MAX)
    return 3;
  return v >= INT32_MIN && v <= INT32_MAX ? 5 : 9;
}

/* 0: no scalar */
static size_t scalar_size(lua_State *L, int i) {
  switch (lua_type(L, i)) {
  case LUA_TNIL:
  case LUA_TBOOLEAN:
    return 1;
  case LUA_TNUMBER:
    return lua_isinteger(L, i) ? int_size(lua_tointeger(L, i)) : 9;
  case LUA_TSTRING: {
    size_t len = lua_rawlen(L, i);
    if (len > STRING_MAX)
      return 0;
    return len + (len <= UINT8_MAX ? 2 : 5);
  }
  default:
    return 0;
  }
}

size_t mp_item_size(lua_State *L, int first, int n) {
  if (n == 1)
    return scalar_size(L, first);
  if (n > SCALARS_MAX)
    return 0;
  size_t size = 2;
  for (int i = first; i < first + n; i++) {
    size_t one = scalar_size(L, i);
    if (one == 0)
      return 0;
    size += one;
  }
  return size;
}

static unsigned char *put(unsigned char *p, enum tag tag, const void *v,
                          size_t n) {
  *p = (unsigned char)tag;
  memcpy(p + 1, v, n);
  return p + 1 + n;
}

static unsigned char *write_int(unsigned char *p, lua_Integer v) {
  int8_t i1 = (int8_t)v;
  int16_t i2 = (int16_t)v;
  int32_t i4 = (int32_t)v;
  if (i1 == v)
    return put(p, INT1, &i1, sizeof i1);
  if (i2 == v)
    return put(p, INT2, &i2, sizeof i2);
  if (i4 == v)
    return put(p, INT4, &i4, sizeof i4);
  return put(p, INT8, &v, sizeof v);
}

static unsigned char *write_string(lua_State *L, int i, unsigned char *p) {
  size_t len;
  const char *s = lua_tolstring(L, i, &len);
  uint8_t short_len = (uint8_t)len;
  uint32_t long_len = (uint32_t)len;
  if (len <= UINT8_MAX)
    p = put(p, STR1, &short_len, sizeof short_len);
  else
    p = put(p, STR4, &long_len, sizeof long_len);
  memcpy(p, s, len);
  return p + len;
}

static unsigned char *write_scalar(lua_State *L, int i, unsigned char *p) {
  lua_Number n;
  switch (lua_type(L, i)) {
  case LUA_TNUMBER:
    if (lua_isinteger(L, i))
      return write_int(p, lua_tointeger(L, i));
    n = lua_tonumber(L, i);
    return put(p, NUM, &n, sizeof n);
  case LUA_TSTRING:
    return write_string(L, i, p);
  case LUA_TBOOLEAN:
    *p = lua_toboolean(L, i) ? TRUE_ : FALSE_;
    return p + 1;
  default:
    *p = NIL;
    return p + 1;
  }
}

unsigned char *mp_item_write(lua_State *L, int first, int n,
                             unsigned char *p) {
  uint8_t count = (uint8_t)n;
  if (n != 1)
    p = put(p, MANY, &count, sizeof count);
  for (int i = first; i < first + n; i++)
    p = write_scalar(L, i, p);
  return p;
}

unsigned char *mp_item_write_coded(const struct mp_encoded *e,
                                   unsigned char *p) {
  uint64_t size = mp_encoded_size(e);
  p = put(p, CODED, &size, sizeof size);
  mp_encoded_copy(e, p);
  return p + size;
}

/* --- reading --------------------------------------------------------------- */

/* takes n bytes, or says that they are not there */
static int take(const unsigned char **p, const unsigned char *end, void *out,
                size_t n) {
  if ((size_t)(end - *p) < n)
    return 0;
  memcpy(out, *p, n);
  *p += n;
  return 1;
}

static int read_int(lua_State *L, enum tag tag, const unsigned char **p,
                    const unsigned char *end) {
  int8_t i1;
  int16_t i2;
  int32_t i4;
  lua_Integer v;
  int ok;
  if (tag == INT1)
    v = (ok = take(p, end, &i1, sizeof i1)) ? i1 : 0;
  else if (tag == INT2)
    v = (ok = take(p, end, &i2, sizeof i2)) ? i2 : 0;
  else if (tag == INT4)
    v = (ok = take(p, end, &i4, sizeof i4)) ? i4 : 0;
  else
    ok = take(p, end, &v, sizeof v);
  if (ok)
    lua_pushinteger(L, v);
  return ok;
}

static int read_string(lua_State *L, enum tag tag, const unsigned char **p,
                       const unsigned char *end) {
  uint8_t short_len = 0;
  uint32_t len = 0;
  if (tag == STR1) {
    if (!take(p, end, &short_len, sizeof short_len))
      return 0;
    len = short_len;
  } else if (!take(p, end, &len, sizeof len)) {
    return 0;
  }
  if ((size_t)(end - *p) < len)
    return 0;
  lua_pushlstring(L, (const char *)*p, len);
  *p += len;
  return 1;
}

/* 1, or 0: damaged */
static int read_scalar(lua_State *L, enum tag tag, const unsigned char **p,
                       const unsigned char *end) {
  lua_Number n;
  switch (tag) {
  case NIL:
    lua_pushnil(L);
    return 1;
  case FALSE_:
  case TRUE_:
    lua_pushboolean(L, tag == TRUE_);
    return 1;
  case INT1:
  case INT2:
  case INT4:
  case INT8:
    return read_int(L, tag, p, end);
  case NUM:
    if (!take(p, end, &n, sizeof n))
      return 0;
    lua_pushnumber(L, n);
    return 1;
  case STR1:
  case STR4:
    return read_string(L, tag, p, end);
  default:
    return 0;
  }
}

static int damaged(lua_State *L) {
  lua_pushliteral(L, "an item of a pool is damaged");
  return MP_ECORRUPT;
}

static int read_many(lua_State *L, const unsigned char **p,
                     const unsigned char *end) {
  uint8_t n, tag;
  if (!take(p, end, &n, sizeof n))
    return damaged(L);
  luaL_checkstack(L, n + 1, "too many values of an item");
  for (int i = 0; i < n; i++) {
    if (!take(p, end, &tag, sizeof tag) ||
        !read_scalar(L, (enum tag)tag, p, end))
      return damaged(L);
  }
  return n;
}

static int read_coded(lua_State *L, const unsigned char **p,
                      const unsigned char *end) {
  uint64_t size;
  if (!take(p, end, &size, sizeof size) || (uint64_t)(end - *p) < size)
    return damaged(L);
  const unsigned char *data = *p;
  *p += size;
  return mp_decode(L, data, size, &mp_item_opts);
}

int mp_item_read(lua_State *L, const unsigned char **p,
                 const unsigned char *end) {
  uint8_t tag;
  if (!take(p, end, &tag, sizeof tag))
    return damaged(L);
  if (tag == MANY)
    return read_many(L, p, end);
  if (tag == CODED)
    return read_coded(L, p, end);
  return read_scalar(L, (enum tag)tag, p, end) ? 1 : damaged(L);
}
