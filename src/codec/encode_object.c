/*
** encode_object.c: tables with a metatable, and userdata
** MIT licence, see LICENSE
**
** Metatables are read raw: what __metatable hides is seen, and what __index
** would do is not done.  Only __reduce is called.
*/

#include "codec/encode.h"

#include "lauxlib.h"

#include "codec/fail.h"
#include "codec/ref.h"
#include "codec/wire.h"

/* stack: ..., object, metatable -> the same and metatable[name], its type */
static int raw_field(lua_State *L, const char *name) {
  lua_pushstring(L, name);
  return lua_rawget(L, -2);
}

/* The record of the object on top begins here, not where `seen` says: a
** prefix was written. */
static void record_begins(struct mp_encoded *e, const void *object) {
  uint64_t *at = mp_ptrmap_get(&e->seen, object);
  *at = e->out.len;
}

static int is_condition(lua_State *L) {
  mp_codec_condition(L);
  int same = lua_rawequal(L, -1, -2);
  lua_pop(L, 1);
  return same;
}

int mp_put_object(lua_State *L, struct mp_encoded *e) {
  if (is_condition(L)) {
    lua_pop(L, 1);
    mp_enc_tag(L, e, MP_TAG_CONDITION);
    record_begins(e, lua_topointer(L, -1));
    return mp_put_table(L, e, 0);
  }
  lua_pop(L, 1);
  return mp_put_table(L, e, 1);
}

/* The __name of the userdata on top, for a message. */
static const char *type_name(lua_State *L) {
  lua_getmetatable(L, -1);
  return raw_field(L, "__name") == LUA_TSTRING ? lua_tostring(L, -1)
                                               : "userdata";
}

/* --- shared objects ------------------------------------------------------- */

/* stack: ..., userdata */
static int put_shared(lua_State *L, struct mp_encoded *e,
                      const struct mp_ref_type *type) {
  if (!(e->flags & MP_CODEC_SHARED))
    return mp_enc_fail(L, e, "a shared object (%s) in what may outlive it",
                       type_name(L));
  mp_off off = type->place(lua_touserdata(L, -1));
  if (off == 0)
    return mp_enc_fail(L, e, "a closed %s", type_name(L));
  unsigned char *p = mp_enc_room(L, e, 10);
  *p++ = MP_TAG_SHARED;
  *p++ = type->id;
  mp_enc_advance(e, mp_put64(p, off));
  mp_enc_note(L, &e->refs, &off, sizeof off);
  e->head_flags |= MP_HEAD_SHARED;
  return 1;
}

int mp_put_userdata(lua_State *L, struct mp_encoded *e) {
  const struct mp_ref_type *type = NULL;
  if (lua_getmetatable(L, -1)) {
    if (raw_field(L, "__mpref") == LUA_TLIGHTUSERDATA)
      type = lua_touserdata(L, -1);
    lua_pop(L, 2);
  }
  if (type != NULL)
    return put_shared(L, e, type);
  return mp_enc_fail(L, e, "a userdata");
}

int mp_put_light(lua_State *L, struct mp_encoded *e) {
  return mp_enc_fail(L, e, "a light userdata");
}
int mp_put_named(lua_State *L, struct mp_encoded *e) {
  (void)L; (void)e;
  return 0;
}
int mp_put_function(lua_State *L, struct mp_encoded *e) {
  return mp_enc_fail(L, e, "a function");
}
void mp_step_function(lua_State *L, struct mp_encoded *e) { (void)L; (void)e; }
void mp_step_reduce(lua_State *L, struct mp_encoded *e) { (void)L; (void)e; }
