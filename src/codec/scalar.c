/*
** scalar.c: a message of one plain value, without the encoder
** MIT licence, see LICENSE
*/

#include "codec/scalar.h"

#include "codec/plain.h"

/* Without flags and slots, with one value. */
static const unsigned char head[MP_HEAD] = {MP_MAGIC, MP_WIRE_VERSION, 0, 0, 1};

static unsigned char *put_number(lua_State *L, int index, unsigned char *p) {
  if (lua_isinteger(L, index))
    return mp_put_integer(p, lua_tointegerx(L, index, NULL));
  lua_Number x = lua_tonumberx(L, index, NULL);
  *p = MP_TAG_FLOAT;
  memcpy(p + 1, &x, 8);
  return p + 9;
}

/* NULL: it is a blob. */
static unsigned char *put_string(lua_State *L, int index, struct mp_scalar *s,
                                 unsigned char *p) {
  s->string = lua_tolstring(L, index, &s->length);
  return s->length < MP_BLOB_SHORTEST ? mp_put_length(p, s->length) : NULL;
}

int mp_scalar_encode(lua_State *L, int index, struct mp_scalar *s) {
  s->length = 0;
  memcpy(s->head, head, MP_HEAD);
  unsigned char *p = s->head + MP_HEAD;
  switch (lua_type(L, index)) {
  case LUA_TNIL:
    *p++ = MP_TAG_NIL;
    break;
  case LUA_TBOOLEAN:
    *p++ = lua_toboolean(L, index) ? MP_TAG_TRUE : MP_TAG_FALSE;
    break;
  case LUA_TNUMBER:
    p = put_number(L, index, p);
    break;
  case LUA_TSTRING:
    p = put_string(L, index, s, p);
    break;
  default:
    return 0;
  }
  if (p == NULL)
    return 0;
  s->used = (size_t)(p - s->head);
  return 1;
}

/* --- in ------------------------------------------------------------------- */

static int push_integer(lua_State *L, const unsigned char *p, size_t left,
                        int tag) {
  if (left != mp_integer_width(tag))
    return 0;
  lua_pushinteger(L, mp_get_integer(p, tag));
  return 1;
}

static int push_float(lua_State *L, const unsigned char *p, size_t left) {
  lua_Number x;
  if (left != sizeof x)
    return 0;
  memcpy(&x, p, sizeof x);
  lua_pushnumber(L, x);
  return 1;
}

static int push_string(lua_State *L, const unsigned char *p, size_t left,
                       int tag) {
  size_t len;
  if (tag == MP_TAG_STR16) {
    if (left < 2)
      return 0;
    len = mp_get16(p);
    p += 2;
    left -= 2;
  }
  else
    len = (size_t)(tag - MP_TAG_STR0);
  if (left != len)
    return 0;
  lua_pushlstring(L, (const char *)p, len);
  return 1;
}

static int push_constant(lua_State *L, size_t left, int tag) {
  if (left != 0)
    return 0;
  if (tag == MP_TAG_NIL)
    lua_pushnil(L);
  else
    lua_pushboolean(L, tag == MP_TAG_TRUE);
  return 1;
}

static int push_small(lua_State *L, size_t left, int tag) {
  if (left != 0)
    return 0;
  lua_pushinteger(L, tag - MP_TAG_SMALLINT);
  return 1;
}

int mp_scalar_decode(lua_State *L, const void *data, size_t size,
                     int strings) {
  const unsigned char *p = data;
  if (size <= MP_HEAD || memcmp(p, head, MP_HEAD) != 0 || !lua_checkstack(L, 1))
    return 0;
  int tag = p[MP_HEAD];
  size_t left = size - MP_HEAD - 1;
  p += MP_HEAD + 1;
  if (tag < MP_TAG_SLOT0)
    return push_small(L, left, tag);
  if (tag >= MP_TAG_NIL && tag <= MP_TAG_TRUE)
    return push_constant(L, left, tag);
  if (tag >= MP_TAG_INT8 && tag <= MP_TAG_INT64)
    return push_integer(L, p, left, tag);
  if (tag == MP_TAG_FLOAT)
    return push_float(L, p, left);
  if (strings && (tag == MP_TAG_STR16 ||
                  (tag >= MP_TAG_STR0 && tag < MP_TAG_NIL)))
    return push_string(L, p, left, tag);
  return 0;
}
