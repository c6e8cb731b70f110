/*
** decode.c: bytes -> Lua values: the walk, and all that is plain data
** MIT licence, see LICENSE
*/

#include "codec/decode.h"

#include <stdlib.h>
#include <string.h>

#include "lauxlib.h"

#include "codec/fail.h"
#include "codec/plain.h"
#include "codec/ref.h"
#include "codec/wire.h"

enum {
  SPILL_AT = 8192, /* slots on the Lua stack before some are spilled */
  SPILL = 4096     /* slots that move at a time */
};

int mp_dec_fail(lua_State *L, struct mp_decoder *d, const char *what) {
  return mp_codec_fail(L, "damaged message: %s at byte %I", what,
                       (LUAI_UACINT)(d->p - d->start));
}

/* --- reading -------------------------------------------------------------- */

const unsigned char *mp_dec_bytes(lua_State *L, struct mp_decoder *d,
                                  uint64_t n) {
  const unsigned char *p = d->p;
  if (n > mp_dec_left(d))
    mp_dec_fail(L, d, "it ends too early");
  d->p += n;
  return p;
}

uint64_t mp_dec_varint(lua_State *L, struct mp_decoder *d) {
  uint64_t v = 0;
  const unsigned char *p = mp_get_varint(d->p, d->end, &v);
  if (p == NULL)
    mp_dec_fail(L, d, "a bad number");
  d->p = p;
  return v;
}

static int get_string(lua_State *L, struct mp_decoder *d, size_t len) {
  const unsigned char *p = mp_dec_bytes(L, d, len);
  lua_pushlstring(L, (const char *)p, len);
  if (d->strings == 0 || len < MP_SLOT_SHORTEST || len > MP_SLOT_LONGEST)
    return 1;
  if (d->string == d->strings) {
    if (d->strings < MP_SLOTS)
      mp_dec_fail(L, d, "more strings than announced");
    d->string = 0;
  }
  lua_copy(L, -1, MP_DEC_STRINGS + (int)d->string++);
  return 1;
}

static int get_slot(lua_State *L, struct mp_decoder *d, uint32_t slot) {
  if (slot >= d->strings)
    mp_dec_fail(L, d, "a string that never came");
  lua_pushvalue(L, MP_DEC_STRINGS + (int)slot);
  if (lua_isnil(L, -1))
    mp_dec_fail(L, d, "a string that never came");
  return 1;
}

static int get_blob(lua_State *L, struct mp_decoder *d) {
  uint64_t len = mp_get64(mp_dec_bytes(L, d, 8));
  if (len > (uint64_t)(d->blob_end - d->blob))
    mp_dec_fail(L, d, "a string longer than the message");
  lua_pushlstring(L, (const char *)d->blob, (size_t)len);
  d->blob += len;
  return 1;
}

static int get_integer(lua_State *L, struct mp_decoder *d, int tag) {
  const unsigned char *p = mp_dec_bytes(L, d, mp_integer_width(tag));
  lua_pushinteger(L, mp_get_integer(p, tag));
  return 1;
}

static int get_float(lua_State *L, struct mp_decoder *d) {
  lua_Number x;
  memcpy(&x, mp_dec_bytes(L, d, sizeof x), sizeof x);
  lua_pushnumber(L, x);
  return 1;
}

/* --- objects -------------------------------------------------------------- */

static void need_table(lua_State *L, int index) {
  if (!lua_isnil(L, index))
    return;
  lua_newtable(L);
  lua_replace(L, index);
}

void mp_dec_remember(lua_State *L, uint64_t at) {
  need_table(L, MP_DEC_MEMO);
  lua_pushvalue(L, -1);
  lua_rawseti(L, MP_DEC_MEMO, (lua_Integer)at);
}

static int get_ref(lua_State *L, struct mp_decoder *d) {
  uint64_t at = mp_dec_varint(L, d);
  if (lua_isnil(L, MP_DEC_MEMO) ||
      lua_rawgeti(L, MP_DEC_MEMO, (lua_Integer)at) == LUA_TNIL)
    mp_dec_fail(L, d, "a reference to nothing");
  return 1;
}

/* The claim of a table: list + 2 * pairs values, which must still come. */
void mp_dec_claim(lua_State *L, struct mp_decoder *d, uint64_t n) {
  if (n > mp_dec_left(d) || d->owed + n > mp_dec_left(d))
    mp_dec_fail(L, d, "more values than bytes");
  d->owed += n;
}

static void counts(lua_State *L, struct mp_decoder *d, int tag, uint32_t *list,
                   uint32_t *pairs) {
  const unsigned char *p = mp_dec_bytes(L, d, 4);
  if (tag == MP_TAG_TABLE || tag == MP_TAG_OBJECT) {
    *list = mp_get16(p);
    *pairs = mp_get16(p + 2);
    return;
  }
  uint32_t which = mp_get32(p);
  if (which >= d->nbig)
    mp_dec_fail(L, d, "a big table without its counts");
  *list = mp_get32(d->big + (size_t)which * 8);
  *pairs = mp_get32(d->big + (size_t)which * 8 + 4);
}

/* stack: the table that is here.  Pushes the one to fill; references mean
** the one that is here. */
static void push_here(lua_State *L, struct mp_decoder *d, uint64_t at,
                      int shared) {
  int fill = d->here == MP_HERE_FILL;
  d->here = MP_HERE_NO;
  if (shared)
    mp_dec_remember(L, at);
  if (fill)
    lua_pushvalue(L, -1);
  else
    lua_newtable(L);
}

static int get_table(lua_State *L, struct mp_decoder *d, int tag, uint64_t at,
                     int shared) {
  uint32_t list, pairs;
  int object = tag == MP_TAG_OBJECT || tag == MP_TAG_BIGOBJECT;
  counts(L, d, tag, &list, &pairs);
  mp_dec_claim(L, d, (uint64_t)list + 2 * (uint64_t)pairs + (uint64_t)object);
  if (list > INT32_MAX || pairs > INT32_MAX)
    mp_dec_fail(L, d, "a table too big for this machine");
  if (d->here != MP_HERE_NO)
    push_here(L, d, at, shared);
  else {
    lua_createtable(L, (int)list, (int)pairs);
    if (shared)
      mp_dec_remember(L, at);
  }
  if (list == 0 && pairs == 0 && !object)
    return 1;
  struct mp_dec_frame *f = mp_dec_push(L, d, MP_DEC_TABLE, at, 1);
  f->list = list;
  f->pairs = pairs;
  f->object = (uint8_t)object;
  return 0;
}

static int get_condition(lua_State *L, struct mp_decoder *d, uint64_t at) {
  if (d->p == d->end || (*d->p & ~3) != MP_TAG_TABLE)
    mp_dec_fail(L, d, "an error object without a table");
  mp_dec_claim(L, d, 1);
  lua_pushnil(L);
  mp_dec_push(L, d, MP_DEC_CONDITION, at, 1);
  return 0;
}

static int get_shared(lua_State *L, struct mp_decoder *d, uint64_t at,
                      int shared) {
  const unsigned char *p = mp_dec_bytes(L, d, 9);
  const struct mp_ref_type *type = mp_ref_type_of(p[0]);
  if (!(d->flags & MP_CODEC_SHARED))
    return mp_codec_fail(L, "a shared object came where none may pass");
  if (type == NULL)
    return mp_dec_fail(L, d, "a shared object of unknown type");
  type->push(L, mp_get64(p + 1));
  if (shared)
    mp_dec_remember(L, at);
  return 1;
}

static int get_code(lua_State *L, struct mp_decoder *d, int tag, uint64_t at,
                    int shared) {
  if (!(d->flags & MP_CODEC_CODE))
    return mp_codec_fail(L, "this message contains functions or names of "
                            "functions, which are not accepted here");
  switch (tag) {
  case MP_TAG_NAME:
    return mp_get_name(L, d, at, shared);
  case MP_TAG_FUNCTION:
    return mp_get_function(L, d, at, shared);
  case MP_TAG_REDUCE:
    return mp_get_reduce(L, d, at, shared);
  case MP_TAG_GLOBALS:
    lua_pushglobaltable(L);
    if (shared)
      mp_dec_remember(L, at);
    return 1;
  default:
    return mp_get_class(L, d, at, tag);
  }
}

static int get_record(lua_State *L, struct mp_decoder *d, int tag,
                      uint64_t at) {
  int shared = tag & 1;
  switch (tag & ~1) {
  case MP_TAG_TABLE:
  case MP_TAG_BIG:
  case MP_TAG_OBJECT:
  case MP_TAG_BIGOBJECT:
    return get_table(L, d, tag & ~1, at, shared);
  case MP_TAG_SHARED:
    return get_shared(L, d, at, shared);
  case MP_TAG_NAME:
  case MP_TAG_FUNCTION:
  case MP_TAG_REDUCE:
  case MP_TAG_GLOBALS:
    return get_code(L, d, tag & ~1, at, shared);
  default:
    break;
  }
  switch (tag) {
  case MP_TAG_CONDITION:
    return get_condition(L, d, at);
  case MP_TAG_CLASS:
  case MP_TAG_NAMED:
    return get_code(L, d, tag, at, 0);
  default:
    return mp_dec_fail(L, d, "an unknown tag");
  }
}

int mp_get_value(lua_State *L, struct mp_decoder *d) {
  if (d->p == d->end)
    mp_dec_fail(L, d, "it ends too early");
  d->owed--; /* this value was claimed by whoever holds it */
  int tag = *d->p++;
  if (tag < MP_TAG_SLOT0) {
    lua_pushinteger(L, tag - MP_TAG_SMALLINT);
    return 1;
  }
  if (tag < MP_TAG_STR0)
    return get_slot(L, d, (uint32_t)(tag - MP_TAG_SLOT0));
  if (tag < MP_TAG_NIL)
    return get_string(L, d, (size_t)(tag - MP_TAG_STR0));
  switch (tag) {
  case MP_TAG_NIL:
    lua_pushnil(L);
    return 1;
  case MP_TAG_FALSE:
  case MP_TAG_TRUE:
    lua_pushboolean(L, tag == MP_TAG_TRUE);
    return 1;
  case MP_TAG_INT8:
  case MP_TAG_INT16:
  case MP_TAG_INT32:
  case MP_TAG_INT64:
    return get_integer(L, d, tag);
  case MP_TAG_FLOAT:
    return get_float(L, d);
  case MP_TAG_STR16:
    return get_string(L, d, mp_get16(mp_dec_bytes(L, d, 2)));
  case MP_TAG_BLOB:
    return get_blob(L, d);
  case MP_TAG_SLOT:
    return get_slot(L, d, *mp_dec_bytes(L, d, 1));
  case MP_TAG_REF:
    return get_ref(L, d);
  default:
    return get_record(L, d, tag, (uint64_t)(d->p - 1 - d->start));
  }
}

/* --- frames --------------------------------------------------------------- */

static void more_frames(lua_State *L, struct mp_decoder *d) {
  size_t size = d->room * sizeof *d->frames;
  struct mp_dec_frame *frames;
  if (d->room == MP_DEC_FRAMES) { /* they lie on the C stack */
    frames = malloc(2 * size);
    if (frames != NULL)
      memcpy(frames, d->frames, size);
  }
  else
    frames = realloc(d->frames, 2 * size);
  if (frames == NULL)
    mp_codec_no_memory(L);
  d->frames = frames;
  d->room *= 2;
}

static void spill(lua_State *L, struct mp_decoder *d) {
  need_table(L, MP_DEC_SPILL);
  for (int i = 0; i < SPILL; i++) {
    lua_pushvalue(L, d->base + i);
    lua_rawseti(L, MP_DEC_SPILL, (lua_Integer)d->spilled + i + 1);
  }
  lua_rotate(L, d->base, -SPILL);
  lua_pop(L, SPILL);
  d->spilled += SPILL;
}

static void unspill(lua_State *L, struct mp_decoder *d) {
  luaL_checkstack(L, SPILL + MP_DEC_ROOM, NULL);
  d->spilled -= SPILL;
  for (int i = 0; i < SPILL; i++)
    lua_rawgeti(L, MP_DEC_SPILL, (lua_Integer)d->spilled + i + 1);
  lua_rotate(L, d->base, SPILL);
}

struct mp_dec_frame *mp_dec_push(lua_State *L, struct mp_decoder *d,
                                 enum mp_dec_kind kind, uint64_t at,
                                 int slots) {
  if (d->depth == d->room)
    more_frames(L, d);
  if (!lua_checkstack(L, MP_DEC_ROOM))
    mp_codec_no_memory(L);
  int on_stack = lua_gettop(L) - d->base + 1;
  struct mp_dec_frame *f = &d->frames[d->depth++];
  memset(f, 0, sizeof *f);
  f->kind = (uint8_t)kind;
  f->at = at;
  f->next = 1;
  f->slot = d->spilled + (uint64_t)(on_stack - slots);
  if (on_stack > SPILL_AT)
    spill(L, d);
  return f;
}

/* The frame's value stays on top of the stack. */
void mp_dec_pop(lua_State *L, struct mp_decoder *d) {
  d->depth--;
  while (d->depth > 0 && mp_dec_top(d)->slot < d->spilled)
    unspill(L, d);
}

/* --- tables --------------------------------------------------------------- */

/* stack: table, value */
static void take_entry(lua_State *L, struct mp_dec_frame *f) {
  if (lua_isnil(L, -1))
    lua_pop(L, 1);
  else
    lua_rawseti(L, -2, (lua_Integer)f->next);
  f->next++;
  f->list--;
}

/* stack: table, key */
static void take_key(lua_State *L, struct mp_decoder *d,
                     struct mp_dec_frame *f) {
  lua_Number x;
  switch (lua_type(L, -1)) {
  case LUA_TNIL:
    mp_dec_fail(L, d, "a nil key");
    break;
  case LUA_TNUMBER:
    x = lua_tonumber(L, -1);
    if (x != x)
      mp_dec_fail(L, d, "a key that is no number (NaN)");
    break;
  default:
    break;
  }
  f->have_key = 1;
}

/* stack: table, key, value */
static void take_pair(lua_State *L, struct mp_dec_frame *f) {
  lua_rawset(L, -3);
  f->have_key = 0;
  f->pairs--;
}

/* stack: table, metatable */
static int take_metatable(lua_State *L, struct mp_decoder *d) {
  if (!lua_istable(L, -1))
    mp_dec_fail(L, d, "a metatable that is no table");
  lua_setmetatable(L, -2);
  mp_dec_pop(L, d);
  return 1;
}

static int take_table(lua_State *L, struct mp_decoder *d) {
  struct mp_dec_frame *f = mp_dec_top(d);
  if (f->list > 0)
    take_entry(L, f);
  else if (f->have_key)
    take_pair(L, f);
  else if (f->pairs > 0)
    take_key(L, d, f);
  else
    return take_metatable(L, d);
  while (f->list > 0) {
    if (!mp_get_value(L, d))
      return 0;
    take_entry(L, f);
  }
  while (f->pairs > 0) {
    if (!f->have_key) {
      if (!mp_get_value(L, d))
        return 0;
      take_key(L, d, f);
    }
    if (!mp_get_value(L, d))
      return 0;
    take_pair(L, f);
  }
  if (f->object)
    return 0;
  mp_dec_pop(L, d);
  return 1;
}

/* stack: nil, table */
static int take_condition(lua_State *L, struct mp_decoder *d) {
  lua_remove(L, -2);
  mp_codec_condition(L);
  if (lua_istable(L, -1))
    lua_setmetatable(L, -2);
  else
    lua_pop(L, 1);
  mp_dec_pop(L, d);
  return 1;
}

int mp_dec_take(lua_State *L, struct mp_decoder *d) {
  switch (mp_dec_top(d)->kind) {
  case MP_DEC_TABLE:
    return take_table(L, d);
  case MP_DEC_CONDITION:
    return take_condition(L, d);
  case MP_DEC_FUNCTION:
  case MP_DEC_GLOBALS:
    return mp_take_function(L, d);
  case MP_DEC_REDUCE:
    return mp_take_reduce(L, d);
  default:
    return mp_take_class(L, d);
  }
}
