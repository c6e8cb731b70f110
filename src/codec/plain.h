/*
** plain.h: integers and the heads of strings, with their tags
** MIT licence, see LICENSE
*/

#ifndef MP_CODEC_PLAIN_H
#define MP_CODEC_PLAIN_H

#include <stddef.h>
#include <stdint.h>

#include "lua.h"

#include "codec/tags.h"
#include "codec/wire.h"

enum { MP_INTEGER_LONGEST = 9 };

/* An integer with its tag, in the fewest bytes. */
static inline unsigned char *mp_put_integer(unsigned char *p, lua_Integer i) {
  if (i >= 0 && i < 64) {
    *p++ = (unsigned char)(MP_TAG_SMALLINT + i);
    return p;
  }
  if (i >= INT8_MIN && i <= INT8_MAX) {
    *p++ = MP_TAG_INT8;
    *p++ = (unsigned char)i;
    return p;
  }
  if (i >= INT16_MIN && i <= INT16_MAX) {
    *p++ = MP_TAG_INT16;
    return mp_put16(p, (uint16_t)i);
  }
  if (i >= INT32_MIN && i <= INT32_MAX) {
    *p++ = MP_TAG_INT32;
    return mp_put32(p, (uint32_t)i);
  }
  *p++ = MP_TAG_INT64;
  return mp_put64(p, (uint64_t)i);
}

/* Bytes behind the tag of an integer that is no SMALLINT. */
static inline size_t mp_integer_width(int tag) {
  return (size_t)1 << (tag - MP_TAG_INT8);
}

static inline lua_Integer mp_get_integer(const unsigned char *p, int tag) {
  switch (tag) {
  case MP_TAG_INT8:
    return (int8_t)*p;
  case MP_TAG_INT16:
    return (int16_t)mp_get16(p);
  case MP_TAG_INT32:
    return (int32_t)mp_get32(p);
  default:
    return (lua_Integer)mp_get64(p);
  }
}

/* Tag and length of a string shorter than a blob. */
static inline unsigned char *mp_put_length(unsigned char *p, size_t len) {
  if (len < 64) {
    *p++ = (unsigned char)(MP_TAG_STR0 + len);
    return p;
  }
  *p++ = MP_TAG_STR16;
  return mp_put16(p, (uint16_t)len);
}

#endif
