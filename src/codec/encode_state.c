/*
** encode_state.c: the encoder's memory: frames, slots, reuse
** MIT licence, see LICENSE
**
** One encoder lies ready in the registry.  It is taken out while it works, so
** that after an error nothing keeps what it has noted alive; a __reduce
** function that encodes itself finds none there and makes another.
*/

#include "codec/encode.h"

#include <stdlib.h>
#include <string.h>

#include "lauxlib.h"

#include "codec/fail.h"

enum {
  KEEP = 4 * 1024 * 1024, /* bytes that a resting buffer may have */
  SPILL_AT = 8192,   /* slots on the Lua stack before some are spilled */
  SPILL = 4096,      /* slots that move at a time */
  ROOM_ABOVE = 16    /* what a step may push above its slots */
};

static const char ready_key = 0;

/* --- reuse ---------------------------------------------------------------- */

static void buf_rest(struct mp_buf *b) {
  if (b->cap > KEEP)
    mp_buf_fini(b);
  b->len = 0;
}

void mp_enc_reset(struct mp_encoded *e) {
  buf_rest(&e->out);
  buf_rest(&e->spans);
  buf_rest(&e->big);
  buf_rest(&e->refs);
  buf_rest(&e->needs);
  buf_rest(&e->named);
  buf_rest(&e->protos);
  mp_ptrmap_clear(&e->seen);
  mp_ptrmap_clear(&e->cell_of);
  if (e->room > KEEP / sizeof *e->frames) {
    free(e->frames);
    e->frames = NULL;
    e->room = 0;
  }
  e->depth = 0;
  e->blobs = 0;
  e->recent_base = e->recent_count;
  e->slots = 0;
  e->head_flags = 0;
  e->tail_size = 0;
  e->turn_rich = 0;
  e->detail = NULL;
  e->looked = e->looked_again = 0;
  e->additions = 2;
  e->carries = 0;
  e->spilled = 0;
  e->cells = 0;
}

static void release(struct mp_encoded *e) {
  mp_buf_fini(&e->out);
  mp_buf_fini(&e->spans);
  mp_buf_fini(&e->big);
  mp_buf_fini(&e->refs);
  mp_buf_fini(&e->needs);
  mp_buf_fini(&e->named);
  mp_buf_fini(&e->protos);
  mp_ptrmap_fini(&e->seen);
  mp_ptrmap_fini(&e->cell_of);
  free(e->frames);
  e->frames = NULL;
  e->room = 0;
}

static int encoder_gc(lua_State *L) {
  release(lua_touserdata(L, 1));
  return 0;
}

static void set_metatable(lua_State *L) {
  if (luaL_newmetatable(L, "multiprocessing.encoder")) {
    lua_pushcfunction(L, encoder_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
}

static struct mp_encoded *create(lua_State *L) {
  struct mp_encoded *e = lua_newuserdatauv(L, sizeof *e, MP_UV_COUNT);
  memset(e, 0, sizeof *e);
  set_metatable(L);
  mp_names_make_words(L);
  for (int i = 1; i < MP_UV_ENV; i++) {
    lua_newtable(L);
    lua_setiuservalue(L, -2, i);
  }
  return e;
}

/* stack: encoder.  What it noted of the last message's functions goes; not
** when that message was done, when nothing may raise. */
static void forget_notes(lua_State *L, struct mp_encoded *e) {
  for (int i = MP_UV_SENT; i <= MP_UV_ADDITIONS; i++) {
    lua_newtable(L);
    lua_setiuservalue(L, -2, i);
  }
  e->noted = 0;
}

struct mp_encoded *mp_enc_new(lua_State *L) {
  struct mp_encoded *e = NULL;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &ready_key) == LUA_TUSERDATA)
    e = lua_touserdata(L, -1);
  else {
    lua_pop(L, 1);
    e = create(L);
  }
  lua_pushboolean(L, 0); /* not nil: the key stays, with room for a value */
  lua_rawsetp(L, LUA_REGISTRYINDEX, &ready_key);
  if (e->noted)
    forget_notes(L, e);
  e->self = lua_gettop(L);
  return e;
}

/* What was kept alive goes; an encoder that kept much goes itself: the next
** message gets a new one. */
static int can_rest(lua_State *L, struct mp_encoded *e) {
  enum { FEW = 64 };
  if (e->anchors > FEW || e->spill_used)
    return 0;
  if (e->anchors == 0)
    return 1;
  lua_getiuservalue(L, -1, MP_UV_ANCHORS);
  for (; e->anchors > 0; e->anchors--) {
    lua_pushnil(L);
    lua_rawseti(L, -2, (lua_Integer)e->anchors);
  }
  lua_pop(L, 1);
  return 1;
}

void mp_encoded_done(lua_State *L, struct mp_encoded *e) {
  if (e->rich) {
    lua_pushnil(L);
    lua_setiuservalue(L, -2, MP_UV_ENV);
    e->noted = 1;
  }
  if (can_rest(L, e)) {
    mp_enc_reset(e);
    e->clean = 1;
    lua_rawsetp(L, LUA_REGISTRYINDEX, &ready_key); /* pops it */
    return;
  }
  release(e);
  lua_pop(L, 1);
}

/* --- frames --------------------------------------------------------------- */

static void more_frames(lua_State *L, struct mp_encoded *e) {
  size_t room = e->room == 0 ? 32 : e->room * 2;
  struct mp_frame *frames = realloc(e->frames, room * sizeof *frames);
  if (frames == NULL)
    mp_codec_no_memory(L);
  e->frames = frames;
  e->room = room;
}

/* The lowest slots move to the spill table. */
static void spill(lua_State *L, struct mp_encoded *e) {
  lua_getiuservalue(L, e->self, MP_UV_SPILL);
  for (int i = 0; i < SPILL; i++) {
    lua_pushvalue(L, e->base + i);
    lua_rawseti(L, -2, (lua_Integer)e->spilled + i + 1);
  }
  lua_pop(L, 1);
  lua_rotate(L, e->base, -SPILL);
  lua_pop(L, SPILL);
  e->spilled += SPILL;
  e->spill_used = 1;
}

/* The last spilled slots come back. */
static void unspill(lua_State *L, struct mp_encoded *e) {
  luaL_checkstack(L, SPILL + ROOM_ABOVE, NULL);
  lua_getiuservalue(L, e->self, MP_UV_SPILL);
  lua_insert(L, e->base);
  e->spilled -= SPILL;
  for (int i = 0; i < SPILL; i++)
    lua_rawgeti(L, e->base, (lua_Integer)e->spilled + i + 1);
  lua_remove(L, e->base);
  lua_rotate(L, e->base, SPILL);
}

struct mp_frame *mp_enc_push(lua_State *L, struct mp_encoded *e,
                             enum mp_frame_kind kind, uint64_t at, int slots) {
  if (e->depth == e->room)
    more_frames(L, e);
  if (!lua_checkstack(L, ROOM_ABOVE))
    mp_codec_no_memory(L);
  int on_stack = lua_gettop(L) - e->base + 1;
  struct mp_frame *f = &e->frames[e->depth++];
  memset(f, 0, sizeof *f);
  f->kind = (uint8_t)kind;
  f->at = at;
  f->slot = e->spilled + (uint64_t)(on_stack - slots);
  if (on_stack > SPILL_AT)
    spill(L, e);
  return f;
}

void mp_enc_pop(lua_State *L, struct mp_encoded *e) {
  e->depth--;
  while (e->depth > 0 && mp_enc_top(e)->slot < e->spilled)
    unspill(L, e);
}

void mp_enc_slot(lua_State *L, struct mp_encoded *e, uint64_t n) {
  if (n >= e->spilled) {
    lua_pushvalue(L, e->base + (int)(n - e->spilled));
    return;
  }
  lua_getiuservalue(L, e->self, MP_UV_SPILL);
  lua_rawgeti(L, -1, (lua_Integer)n + 1);
  lua_remove(L, -2);
}
