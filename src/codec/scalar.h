/*
** scalar.h: a message of one plain value, without the encoder
** MIT licence, see LICENSE
**
** nil, a boolean, a number, a string that is no blob: what mp_encode writes for
** these is a head, a tag and a few bytes.  Here it is made, and read, without
** the walk's state, in a fifth of the time.  Byte for byte the same message.
*/

#ifndef MP_CODEC_SCALAR_H
#define MP_CODEC_SCALAR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lua.h"

struct mp_scalar {
  const char *string; /* what follows `head`, where the value has it */
  size_t length;
  size_t used;
  unsigned char head[24];
};

/* The message of stack[index], which must stay there; 0: it is none of these.
** Never raises. */
int mp_scalar_encode(lua_State *L, int index, struct mp_scalar *s);

static inline uint64_t mp_scalar_size(const struct mp_scalar *s) {
  return s->used + s->length;
}

static inline void mp_scalar_copy(const struct mp_scalar *s, void *dst) {
  memcpy(dst, s->head, s->used);
  if (s->length > 0)
    memcpy((unsigned char *)dst + s->used, s->string, s->length);
}

/* Pushes the value of such a message and returns 1; 0: it is another one, or
** damaged, which mp_decode will tell.  With strings, it may raise for lack of
** memory; without, never. */
int mp_scalar_decode(lua_State *L, const void *data, size_t size, int strings);

#endif
