/*
** decode_message.c: what is around the values: head, parts, protection
** MIT licence, see LICENSE
*/

#include "codec/decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lauxlib.h"

#include "base/code.h"
#include "codec/fail.h"
#include "codec/wire.h"

/* One of the message's values, on top of the stack. */
static void get_root(lua_State *L, struct mp_decoder *d) {
  if (!mp_get_value(L, d))
    for (;;) {
      if (!mp_get_value(L, d))
        continue;
      while (d->depth > 0 && mp_dec_take(L, d))
        ;
      if (d->depth == 0)
        break;
    }
  d->base++;
}

/* Big tables' counts and blobs, from the tail. */
static void get_parts(lua_State *L, struct mp_decoder *d) {
  uint64_t all = (uint64_t)(d->end - d->start);
  if (all < MP_HEAD + MP_TAIL)
    mp_dec_fail(L, d, "it ends too early");
  const unsigned char *tail = d->end - MP_TAIL;
  uint64_t body = mp_get64(tail);
  uint32_t nbig = mp_get32(tail + 8);
  all -= MP_TAIL;
  if (body < MP_HEAD || body > all || nbig > (all - body) / 8)
    mp_dec_fail(L, d, "parts that do not fit");
  d->end = d->start + body;
  d->big = d->end;
  d->nbig = nbig;
  d->blob = d->big + (size_t)nbig * 8;
  d->blob_end = tail;
}

static void get_head(lua_State *L, struct mp_decoder *d) {
  if (mp_dec_left(d) < MP_HEAD || d->p[0] != MP_MAGIC)
    mp_codec_fail(L, "this is not a serialized message");
  if (d->p[1] != MP_WIRE_VERSION)
    mp_codec_fail(L, "a message of version %d; this mplua reads version %d",
                  d->p[1], MP_WIRE_VERSION);
  int flags = d->p[2];
  d->strings = d->p[3];
  d->values = mp_get32(d->p + 4);
  if (d->strings > MP_SLOTS ||
      (flags & ~(MP_HEAD_PARTS | MP_HEAD_CODE | MP_HEAD_SHARED)) != 0)
    mp_dec_fail(L, d, "a bad head");
  if ((flags & MP_HEAD_CODE) && !(d->flags & MP_CODEC_CODE))
    mp_codec_fail(L, "this message contains functions or names of functions, "
                     "which are not accepted here");
  d->blob = d->blob_end = d->end; /* there are none, as yet */
  if (flags & MP_HEAD_PARTS)
    get_parts(L, d);
  d->p += MP_HEAD;
  if (d->values > mp_dec_left(d))
    mp_dec_fail(L, d, "more values than bytes");
  d->owed = d->values;
}

static int decode_body(lua_State *L) {
  struct mp_decoder *d = lua_touserdata(L, 1);
  get_head(L, d);
  if (d->values > INT32_MAX / 2 ||
      !lua_checkstack(L, (int)d->values + MP_SLOTS + 2 * MP_DEC_ROOM))
    mp_codec_fail(L, "too many values in one message");
  lua_settop(L, MP_DEC_STRINGS - 1 + (int)d->strings);
  d->base = MP_DEC_STRINGS + (int)d->strings;
  for (uint32_t i = 0; i < d->values; i++)
    get_root(L, d);
  if (d->p != d->end || d->blob != d->blob_end)
    mp_dec_fail(L, d, "bytes left over");
  return (int)d->values;
}

int mp_decode(lua_State *L, const void *data, size_t size,
              const struct mp_codec_opts *opts) {
  struct mp_dec_frame at_hand[MP_DEC_FRAMES];
  struct mp_decoder d;
  memset(&d, 0, sizeof d);
  d.start = d.p = data;
  d.end = d.start + size;
  d.flags = opts->flags;
  d.frames = at_hand;
  d.room = MP_DEC_FRAMES;
  int top = lua_gettop(L);
  if (!lua_checkstack(L, 4))
    return -ENOMEM;
  lua_pushcfunction(L, decode_body);
  lua_pushlightuserdata(L, &d);
  int status = lua_pcall(L, 1, LUA_MULTRET, 0);
  if (d.frames != at_hand)
    free(d.frames);
  if (status == LUA_OK)
    return lua_gettop(L) - top;
  return status == LUA_ERRMEM ? -ENOMEM : MP_ECORRUPT;
}
