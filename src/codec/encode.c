/*
** encode.c: Lua values -> bytes: the walk, and all that is plain data
** MIT licence, see LICENSE
*/

#include "codec/encode.h"

#include <stdlib.h>
#include <string.h>

#include "lauxlib.h"

#include "codec/fail.h"
#include "codec/plain.h"
#include "codec/wire.h"

enum { BY_INDEX = 32 }; /* entries of a list after which it counts as long */

/* --- room ----------------------------------------------------------------- */

unsigned char *mp_enc_grow(lua_State *L, struct mp_encoded *e, size_t n) {
  if (e->limit != 0 && e->out.len + e->blobs > e->limit)
    mp_codec_fail(L, "the message is longer than its limit of %I bytes",
                  (LUAI_UACINT)e->limit);
  if (mp_buf_grow(&e->out, n) < 0)
    mp_codec_no_memory(L);
  return e->out.data + e->out.len;
}

void mp_enc_varint(lua_State *L, struct mp_encoded *e, uint64_t v) {
  unsigned char *p = mp_enc_room(L, e, MP_VARINT_LONGEST);
  mp_enc_advance(e, mp_put_varint(p, v));
}

void mp_enc_bytes(lua_State *L, struct mp_encoded *e, const void *p, size_t n) {
  unsigned char *to = mp_enc_room(L, e, n);
  if (n > 0)
    memcpy(to, p, n);
  e->out.len += n;
}

void mp_enc_note(lua_State *L, struct mp_buf *b, const void *p, size_t n) {
  if (mp_buf_put(b, p, n) < 0)
    mp_codec_no_memory(L);
}

/* --- numbers and strings -------------------------------------------------- */

static inline void put_integer(lua_State *L, struct mp_encoded *e,
                               lua_Integer i) {
  unsigned char *p = mp_enc_room(L, e, MP_INTEGER_LONGEST);
  mp_enc_advance(e, mp_put_integer(p, i));
}

static void put_float(lua_State *L, struct mp_encoded *e, lua_Number x) {
  unsigned char *p = mp_enc_room(L, e, 9);
  *p = MP_TAG_FLOAT;
  memcpy(p + 1, &x, 8);
  e->out.len += 9;
}

static inline void put_number(lua_State *L, struct mp_encoded *e, int index) {
  if (lua_isinteger(L, index))
    put_integer(L, e, lua_tointegerx(L, index, NULL));
  else
    put_float(L, e, lua_tonumberx(L, index, NULL));
}

/*
** Strings of 2 to 40 bytes are unique objects in Lua, so an address tells
** whether one was written before.  Each that is written in full takes the
** next of 240 slots, in turn, on both sides; while it is there, it is
** referred to by the slot's number.
*/
static int recent_slot(struct mp_encoded *e, const char *s) {
  uint64_t h = ((uint64_t)(uintptr_t)s >> 3) * UINT64_C(0x9E3779B97F4A7C15);
  struct mp_recent *r = &e->recent[(h >> 40) % MP_RECENT & ~UINT64_C(1)];
  for (int i = 0; i < 2; i++)
    if (r[i].string == s && r[i].number >= e->recent_base &&
        e->recent_count - r[i].number <= MP_SLOTS)
      return (int)((r[i].number - e->recent_base) % MP_SLOTS);
  if (r[0].number > r[1].number)
    r++; /* the older one goes */
  r->string = s;
  r->number = e->recent_count++;
  return -1;
}

static void put_slot(lua_State *L, struct mp_encoded *e, int slot) {
  unsigned char *p = mp_enc_room(L, e, 2);
  if (slot < 64) {
    *p++ = (unsigned char)(MP_TAG_SLOT0 + slot);
  }
  else {
    *p++ = MP_TAG_SLOT;
    *p++ = (unsigned char)slot;
  }
  e->slots = 1;
  mp_enc_advance(e, p);
}

/* The bytes stay where they are; the string is kept alive. */
static void put_blob(lua_State *L, struct mp_encoded *e, int index,
                     const char *s, size_t len) {
  unsigned char *p = mp_enc_room(L, e, 9);
  *p = MP_TAG_BLOB;
  mp_put64(p + 1, len);
  e->out.len += 9;
  struct mp_span span = {s, len};
  mp_enc_note(L, &e->spans, &span, sizeof span);
  e->blobs += len;
  lua_pushvalue(L, index);
  mp_enc_anchor(L, e);
  lua_pop(L, 1);
}

static void put_string(lua_State *L, struct mp_encoded *e, int index) {
  size_t len;
  const char *s = lua_tolstring(L, index, &len);
  if (len >= MP_SLOT_SHORTEST && len <= MP_SLOT_LONGEST) {
    int slot = recent_slot(e, s);
    if (slot >= 0) {
      put_slot(L, e, slot);
      return;
    }
  }
  if (len >= MP_BLOB_SHORTEST) {
    put_blob(L, e, index, s, len);
    return;
  }
  unsigned char *p = mp_enc_room(L, e, len + 3);
  p = mp_put_length(p, len);
  memcpy(p, s, len);
  mp_enc_advance(e, p + len);
}

/* --- identity ------------------------------------------------------------- */

void mp_enc_anchor(lua_State *L, struct mp_encoded *e) {
  lua_getiuservalue(L, e->self, MP_UV_ANCHORS);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, (lua_Integer)++e->anchors);
  lua_pop(L, 1);
}

void mp_enc_record_begins(struct mp_encoded *e, const void *object) {
  mp_ptrmap_set(&e->seen, object, e->out.len);
}

int mp_enc_turn_rich(struct mp_encoded *e) {
  if (!e->rich)
    e->turn_rich = 1;
  return e->rich;
}

/* An object that __reduce is taking apart has no record to refer to yet. */
static void check_complete(lua_State *L, struct mp_encoded *e, uint64_t at) {
  if ((e->out.data[at] & ~1) != MP_TAG_REDUCE)
    return;
  for (size_t i = 0; i < e->depth; i++)
    if (e->frames[i].kind == MP_FRAME_REDUCE && e->frames[i].at == at)
      mp_enc_fail(L, e, "an object that its own __reduce refers to");
}

/* Is the object on top written already?  Then refers to it: 1.  Otherwise
** its record begins here. */
static int refer(lua_State *L, struct mp_encoded *e, const void *p) {
  uint64_t at = 0;
  int rc = mp_ptrmap_put(&e->seen, p, e->out.len, &at);
  if (rc < 0)
    mp_codec_no_memory(L);
  if (rc > 0) {
    if (e->rich)
      mp_enc_anchor(L, e);
    return 0;
  }
  check_complete(L, e, at);
  e->out.data[at] |= 1;
  mp_enc_tag(L, e, MP_TAG_REF);
  mp_enc_varint(L, e, at);
  return 1;
}

/* --- values --------------------------------------------------------------- */

int mp_put_table(lua_State *L, struct mp_encoded *e, int object) {
  unsigned char *p = mp_enc_room(L, e, 5);
  uint64_t at = e->out.len;
  *p = object ? MP_TAG_OBJECT : MP_TAG_TABLE;
  e->out.len += 5; /* the counts are written when they are known */
  struct mp_frame *f = mp_enc_push(L, e, MP_FRAME_TABLE, at, 1);
  f->in_list = 1;
  f->object = (uint8_t)object;
  lua_pushnil(L);
  return 0;
}

/* May the table have a name?  A metatable may be a class in a global, and so
** may any table where functions are sent. */
static inline int maybe_named(const struct mp_encoded *e, const void *p) {
  return e->names != NULL &&
         (mp_names_maybe(e->names, p) || e->rich ||
          (e->depth > 0 && e->frames[e->depth - 1].kind == MP_FRAME_TAIL));
}

static int put_reference_type(lua_State *L, struct mp_encoded *e, int type) {
  int rc;
  const void *p = lua_topointer(L, -1);
  if (refer(L, e, p))
    return 1;
  switch (type) {
  case LUA_TTABLE:
    if (maybe_named(e, p) && (rc = mp_put_named(L, e)) >= 0)
      return rc;
    if (!lua_getmetatable(L, -1))
      return mp_put_table(L, e, 0);
    return mp_put_object(L, e);
  case LUA_TFUNCTION:
    return mp_put_function(L, e);
  case LUA_TUSERDATA:
    return mp_put_userdata(L, e);
  default:
    return mp_enc_fail(L, e, "a %s", lua_typename(L, type));
  }
}

int mp_put_value(lua_State *L, struct mp_encoded *e) {
  int type = lua_type(L, -1);
  switch (type) {
  case LUA_TNIL:
    mp_enc_tag(L, e, MP_TAG_NIL);
    return 1;
  case LUA_TBOOLEAN:
    mp_enc_tag(L, e, lua_toboolean(L, -1) ? MP_TAG_TRUE : MP_TAG_FALSE);
    return 1;
  case LUA_TNUMBER:
    put_number(L, e, -1);
    return 1;
  case LUA_TSTRING:
    put_string(L, e, -1);
    return 1;
  case LUA_TLIGHTUSERDATA:
    return mp_put_light(L, e);
  default:
    return put_reference_type(L, e, type);
  }
}

/* --- tables --------------------------------------------------------------- */

/* Writes the counts; the table is on top of the stack. */
static void finish_table(lua_State *L, struct mp_encoded *e) {
  struct mp_frame *f = mp_enc_top(e);
  unsigned char *p = e->out.data + f->at;
  if (f->list <= UINT16_MAX && f->pairs <= UINT16_MAX) {
    mp_put16(p + 1, (uint16_t)f->list);
    mp_put16(p + 3, (uint16_t)f->pairs);
  }
  else {
    uint32_t counts[2] = {f->list, f->pairs};
    mp_put32(p + 1, (uint32_t)(e->big.len / sizeof counts));
    *p = (unsigned char)(*p + MP_TAG_BIG - MP_TAG_TABLE);
    mp_enc_note(L, &e->big, counts, sizeof counts);
  }
  if (!f->object) {
    lua_pop(L, 1);
    mp_enc_pop(L, e);
    return;
  }
  f->kind = MP_FRAME_TAIL;
  lua_getmetatable(L, -1);
  if (mp_put_value(L, e))
    lua_pop(L, 1);
}

/*
** lua_next finds its place by the key each time and must be asked for the key's
** type; a long list is read faster by index.  That needs to be sure that the
** whole list is in the table's array part, or entries of the hash part that
** come before the list's last would be left out: it is, when lua_next knows the
** index behind the last, which has no value.
*/
static int next_of(lua_State *L) {
  lua_next(L, 1);
  return 0;
}

static int is_array(lua_State *L, lua_Integer n) {
  int collecting = lua_gc(L, LUA_GCISRUNNING);
  lua_gc(L, LUA_GCSTOP); /* the error has a message */
  lua_pushcfunction(L, next_of);
  lua_pushvalue(L, -4);
  lua_pushinteger(L, n + 1);
  int rc = lua_pcall(L, 2, 0, 0);
  if (rc != LUA_OK)
    lua_pop(L, 1);
  if (collecting)
    lua_gc(L, LUA_GCRESTART);
  return rc == LUA_OK;
}

/* stack: table, key, value.  By index from here on? */
static void try_by_index(lua_State *L, struct mp_frame *f) {
  lua_Unsigned n = lua_rawlen(L, -3);
  if (n >= 2 * BY_INDEX && n < INT32_MAX && is_array(L, (lua_Integer)n))
    f->until = (uint32_t)n;
}

/*
** A list ends at the first key that is not the next integer.  Small holes
** below the length are filled with nil: the decoded table then has its
** entries, and its length, where the original has them.
*/
static int over_hole(lua_State *L, struct mp_encoded *e, struct mp_frame *f,
                     lua_Integer key, lua_Integer next) {
  f->in_list = 0;
  if (key <= next || key - next > next + 8 ||
      (lua_Unsigned)key > lua_rawlen(L, -3) || key >= UINT32_MAX)
    return 0;
  for (; next < key; next++)
    mp_enc_tag(L, e, MP_TAG_NIL);
  f->list = (uint32_t)key;
  f->in_list = 1;
  return 1;
}

static inline int in_list(lua_State *L, struct mp_encoded *e,
                          struct mp_frame *f) {
  if (!f->in_list)
    return 0;
  lua_Integer next = (lua_Integer)f->list + 1;
  lua_Integer key =
      lua_isinteger(L, -2) ? lua_tointegerx(L, -2, NULL) : 0;
  if (key != next)
    return over_hole(L, e, f, key, next);
  if (++f->list == BY_INDEX)
    try_by_index(L, f);
  return 1;
}

/* What most entries are; 0: something else. */
static inline int put_plain(lua_State *L, struct mp_encoded *e, int index) {
  switch (lua_type(L, index)) {
  case LUA_TSTRING:
    put_string(L, e, index);
    return 1;
  case LUA_TNUMBER:
    put_number(L, e, index);
    return 1;
  default:
    return 0;
  }
}

/* Writes the key below the top.  0: it needs a frame of its own. */
static int put_key(lua_State *L, struct mp_encoded *e, struct mp_frame *f) {
  f->pairs++;
  if (put_plain(L, e, -2))
    return 1;
  f->value_due = 1;
  lua_pushvalue(L, -2);
  if (!mp_put_value(L, e))
    return 0;
  mp_enc_top(e)->value_due = 0;
  lua_pop(L, 1);
  return 1;
}

/* stack: table, key.  0: a value opened a frame, or the walk begins again;
** 1: the list is at its end, and lua_next goes on from there. */
static int by_index(lua_State *L, struct mp_encoded *e, struct mp_frame *f) {
  while (f->list < f->until) {
    lua_rawgeti(L, -2, (lua_Integer)++f->list);
    if (!put_plain(L, e, -1) && (!mp_put_value(L, e) || e->turn_rich))
      return 0;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  lua_pushinteger(L, (lua_Integer)f->until);
  f->until = 0;
  return 1;
}

/* Goes on with the table whose frame is on top, up to its end or to a value
** that opens a frame. */
static void step_table(lua_State *L, struct mp_encoded *e) {
  struct mp_frame *f = mp_enc_top(e);
  int due = f->value_due;
  f->value_due = 0;
  if (f->until != 0 && !by_index(L, e, f))
    return;
  while (due || lua_next(L, -2)) {
    if (!due && !in_list(L, e, f) && !put_key(L, e, f))
      return;
    due = 0;
    if (!put_plain(L, e, -1) && (!mp_put_value(L, e) || e->turn_rich))
      return;
    lua_pop(L, 1);
    if (f->until != 0 && !by_index(L, e, f))
      return;
  }
  finish_table(L, e);
}

void mp_enc_step(lua_State *L, struct mp_encoded *e) {
  switch (mp_enc_top(e)->kind) {
  case MP_FRAME_TABLE:
    step_table(L, e);
    break;
  case MP_FRAME_TAIL:
    lua_pop(L, 1);
    mp_enc_pop(L, e);
    break;
  case MP_FRAME_REDUCE:
    mp_step_reduce(L, e);
    break;
  default:
    mp_step_function(L, e);
    break;
  }
}
