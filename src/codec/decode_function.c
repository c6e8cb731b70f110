/*
** decode_function.c: Lua functions, with what they use
** MIT licence, see LICENSE
**
** A loaded function has upvalues of its own, the first of which Lua sets to
** the globals: every one is set, or joined with another's, from the message.
** The check sum tells damage from code; code that somebody forged cannot be
** told, so it is only taken from the family.
*/

#include "codec/decode.h"

#include <string.h>

#include "lauxlib.h"

#include "codec/fail.h"
#include "codec/hash.h"
#include "codec/stdlib.h"
#include "codec/wire.h"

/* --- prototypes ----------------------------------------------------------- */

/* Where a prototype's head is: here, or at an offset that was read. */
static const unsigned char *proto(lua_State *L, struct mp_decoder *d,
                                  uint64_t *size) {
  const unsigned char *head;
  if (*mp_dec_bytes(L, d, 1) == MP_PROTO_NEW) {
    head = mp_dec_bytes(L, d, MP_PROTO_HEAD);
    *size = mp_get64(head);
    mp_dec_bytes(L, d, *size);
    return head;
  }
  uint64_t at = mp_dec_varint(L, d);
  uint64_t read = (uint64_t)(d->p - d->start);
  if (at < MP_HEAD || at > read || read - at < MP_PROTO_HEAD)
    mp_dec_fail(L, d, "a prototype that never came");
  head = d->start + at;
  *size = mp_get64(head);
  if (*size > read - at - MP_PROTO_HEAD)
    mp_dec_fail(L, d, "a prototype that never came");
  return head;
}

/* Pushes a new function; the number of its upvalues. */
static int load(lua_State *L, struct mp_decoder *d) {
  unsigned char hash[MP_HASH_SIZE];
  lua_Debug ar;
  uint64_t size;
  const unsigned char *head = proto(L, d, &size);
  const char *code = (const char *)head + MP_PROTO_HEAD;
  mp_hash(hash, code, (size_t)size);
  if (memcmp(head + 8, hash, MP_PROTO_HEAD - 8) != 0)
    mp_dec_fail(L, d, "code with a wrong check sum");
  if (luaL_loadbufferx(L, code, (size_t)size, "=message", "b") != LUA_OK)
    mp_codec_fail(L, "code that this Lua cannot load: %s",
                  lua_tostring(L, -1));
  lua_pushvalue(L, -1);
  lua_getinfo(L, ">u", &ar);
  return ar.nups;
}

/* --- upvalues ------------------------------------------------------------- */

/* stack: function.  Its upvalue i is a new variable. */
static void new_cell(lua_State *L, struct mp_decoder *d, int i) {
  if (lua_isnil(L, MP_DEC_CELLS)) {
    lua_newtable(L);
    lua_replace(L, MP_DEC_CELLS);
  }
  lua_pushvalue(L, -1);
  lua_rawseti(L, MP_DEC_CELLS, 2 * (lua_Integer)d->cells + 1);
  lua_pushinteger(L, i);
  lua_rawseti(L, MP_DEC_CELLS, 2 * (lua_Integer)d->cells + 2);
  d->cells++;
}

/* stack: function.  Its upvalue i is a variable that another has, too. */
static void join_cell(lua_State *L, struct mp_decoder *d, int i) {
  uint64_t n = mp_dec_varint(L, d);
  if (n >= d->cells)
    mp_dec_fail(L, d, "an upvalue that never came");
  lua_rawgeti(L, MP_DEC_CELLS, 2 * (lua_Integer)n + 1);
  lua_rawgeti(L, MP_DEC_CELLS, 2 * (lua_Integer)n + 2);
  int j = (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  lua_upvaluejoin(L, -2, i, -1, j);
  lua_pop(L, 1);
}

/* Joins upvalues up to one whose value comes next: 1; 0: there is none. */
static int next_upvalue(lua_State *L, struct mp_decoder *d,
                        struct mp_dec_frame *f) {
  while (f->list < f->pairs) {
    int i = (int)++f->list;
    if (*mp_dec_bytes(L, d, 1) == MP_UPVALUE_NEW) {
      new_cell(L, d, i);
      return 1;
    }
    join_cell(L, d, i);
  }
  return 0;
}

/* --- globals -------------------------------------------------------------- */

static void push_library(lua_State *L, struct mp_decoder *d, unsigned which) {
  unsigned i = 0;
  while (i < which && mp_libraries[i].name != NULL)
    i++;
  if (mp_libraries[i].name == NULL)
    mp_dec_fail(L, d, "an unknown library");
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushstring(L, mp_libraries[i].name);
  lua_rawget(L, -2);
  lua_remove(L, -2);
}

/* Pushes where the next global goes, and its name. */
static void push_target(lua_State *L, struct mp_decoder *d) {
  if (*mp_dec_bytes(L, d, 1) == MP_GLOBAL_FIELD)
    push_library(L, d, *mp_dec_bytes(L, d, 1));
  else
    lua_pushglobaltable(L);
  uint64_t len = mp_dec_varint(L, d);
  lua_pushlstring(L, (const char *)mp_dec_bytes(L, d, len), (size_t)len);
}

/* stack: table, name, value ->.  What is there stays, but in a worker. */
static void set_target(lua_State *L, const struct mp_decoder *d) {
  if (!lua_istable(L, -3)) { /* a library that this host does not open */
    lua_pop(L, 3);
    return;
  }
  lua_pushvalue(L, -2);
  int absent = lua_rawget(L, -4) == LUA_TNIL;
  lua_pop(L, 1);
  if (absent || (d->flags & MP_CODEC_REPLACE)) {
    lua_rawset(L, -3);
    lua_pop(L, 1);
  }
  else
    lua_pop(L, 3);
}

/* --- the record ----------------------------------------------------------- */

/* stack: function.  Up to the next value, 0, or to the end, 1. */
static int advance(lua_State *L, struct mp_decoder *d) {
  struct mp_dec_frame *f = mp_dec_top(d);
  if (f->kind == MP_DEC_FUNCTION) {
    if (next_upvalue(L, d, f)) {
      mp_dec_claim(L, d, 1);
      return 0;
    }
    uint64_t n = mp_dec_varint(L, d);
    if (n > UINT32_MAX)
      mp_dec_fail(L, d, "too many globals");
    f->kind = MP_DEC_GLOBALS;
    f->list = 0;
    f->pairs = (uint32_t)n;
  }
  if (f->list < f->pairs) {
    f->list++;
    push_target(L, d);
    mp_dec_claim(L, d, 1);
    return 0;
  }
  mp_dec_pop(L, d);
  return 1;
}

int mp_get_function(lua_State *L, struct mp_decoder *d, uint64_t at,
                    int shared) {
  int n = load(L, d);
  if (n != *mp_dec_bytes(L, d, 1))
    mp_dec_fail(L, d, "a function with other upvalues");
  if (shared)
    mp_dec_remember(L, at);
  mp_dec_push(L, d, MP_DEC_FUNCTION, at, 1)->pairs = (uint32_t)n;
  return advance(L, d);
}

/* stack: function [, table, name], value */
int mp_take_function(lua_State *L, struct mp_decoder *d) {
  struct mp_dec_frame *f = mp_dec_top(d);
  if (f->kind == MP_DEC_FUNCTION)
    lua_setupvalue(L, -2, (int)f->list);
  else
    set_target(L, d);
  return advance(L, d);
}
