/*
** encode_message.c: what is around the values: head, parts, size
** MIT licence, see LICENSE
*/

#include "codec/encode.h"

#include <string.h>

#include "lauxlib.h"

#include "codec/fail.h"
#include "codec/wire.h"

/* Writes the n values.  0: the walk has to begin again, as a rich one. */
static int walk(lua_State *L, struct mp_encoded *e) {
  for (e->current = 1; e->current <= e->n; e->current++) {
    lua_pushvalue(L, e->first + e->current - 1);
    if (mp_put_value(L, e))
      lua_pop(L, 1);
    while (e->depth > 0 && !e->turn_rich)
      mp_enc_step(L, e);
    if (e->turn_rich)
      return 0;
  }
  return 1;
}

static void begin(lua_State *L, struct mp_encoded *e) {
  if (!e->clean)
    mp_enc_reset(e);
  e->clean = 0;
  e->base = e->self + 1;
  lua_settop(L, e->self);
  mp_enc_room(L, e, MP_HEAD);
  e->out.len = MP_HEAD;
}

static void write_head(struct mp_encoded *e) {
  unsigned char *p = e->out.data;
  uint64_t taken = e->slots ? e->recent_count - e->recent_base : 0;
  p[0] = MP_MAGIC;
  p[1] = MP_WIRE_VERSION;
  p[2] = e->head_flags;
  p[3] = (unsigned char)(taken < MP_SLOTS ? taken : MP_SLOTS);
  mp_put32(p + 4, (uint32_t)e->n);
}

static void write_parts(lua_State *L, struct mp_encoded *e) {
  if (e->big.len == 0 && e->spans.len == 0)
    return;
  e->head_flags |= MP_HEAD_PARTS;
  uint32_t tables = (uint32_t)(e->big.len / (2 * sizeof(uint32_t)));
  mp_put32(mp_put64(e->tail, e->out.len), tables);
  e->tail_size = MP_TAIL;
  mp_enc_bytes(L, e, e->big.data, e->big.len);
}

struct mp_encoded *mp_encode(lua_State *L, int first, int n,
                             const struct mp_codec_opts *opts) {
  first = lua_absindex(L, first);
  luaL_checkstack(L, 16, "too many values");
  struct mp_encoded *e = mp_enc_new(L);
  e->first = first;
  e->n = n;
  e->flags = opts->flags;
  e->limit = opts->limit;
  e->root = opts->root;
  e->item = opts->item;
  e->rich = e->turn_rich = 0;
  e->names = NULL;
  if (opts->flags & MP_CODEC_CODE)
    e->names = e->index = mp_names_fresh(L, e->index);
  begin(L, e);
  if (!walk(L, e)) {
    e->rich = 1;
    begin(L, e);
    walk(L, e);
  }
  write_parts(L, e);
  write_head(e);
  if (e->limit != 0 && mp_encoded_size(e) > e->limit)
    mp_codec_fail(L, "the message is longer than its limit of %I bytes",
                  (LUAI_UACINT)e->limit);
  return e;
}

uint64_t mp_encoded_size(const struct mp_encoded *e) {
  return e->out.len + e->blobs + e->tail_size;
}

int mp_encoded_sets_globals(const struct mp_encoded *e) {
  return e->carries;
}

const void *mp_encoded_flat(const struct mp_encoded *e) {
  return e->tail_size == 0 ? e->out.data : NULL;
}

void mp_encoded_copy(const struct mp_encoded *e, void *dst) {
  unsigned char *to = dst;
  memcpy(to, e->out.data, e->out.len);
  to += e->out.len;
  const struct mp_span *span = (const struct mp_span *)(void *)e->spans.data;
  for (size_t i = e->spans.len / sizeof *span; i > 0; i--, span++) {
    memcpy(to, span->data, span->size);
    to += span->size;
  }
  memcpy(to, e->tail, e->tail_size);
}

uint32_t mp_encoded_refs(const struct mp_encoded *e, const mp_off **refs) {
  *refs = (const mp_off *)(void *)e->refs.data;
  return (uint32_t)(e->refs.len / sizeof **refs);
}
