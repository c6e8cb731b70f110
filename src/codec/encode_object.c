/*
** encode_object.c: names, tables with a metatable, userdata
** MIT licence, see LICENSE
**
** Metatables are read raw: what __metatable hides is seen, and what __index
** would do is not done.  Only __reduce is called.
*/

#include "codec/encode.h"

#include <string.h>

#include "lauxlib.h"

#include "codec/fail.h"
#include "codec/ref.h"
#include "codec/wire.h"

/* stack: metatable -> metatable, its field */
static int raw_field(lua_State *L, enum mp_word word) {
  mp_names_word(L, word);
  return lua_rawget(L, -2);
}

/* --- names ---------------------------------------------------------------- */

/* stack: keys -> nothing */
static void put_path(lua_State *L, struct mp_encoded *e, int count) {
  mp_enc_tag(L, e, count);
  for (int i = count; i > 0; i--) {
    size_t len;
    const char *s = lua_tolstring(L, -i, &len);
    if (len > UINT16_MAX)
      mp_enc_fail(L, e, "a name of %d bytes", (int)len);
    unsigned char *p = mp_enc_room(L, e, 2);
    mp_enc_advance(e, mp_put16(p, (uint16_t)len));
    mp_enc_bytes(L, e, s, len);
  }
  lua_pop(L, count);
}

/* The record of the table on top, after a path. */
static int put_after_path(lua_State *L, struct mp_encoded *e) {
  mp_enc_record_begins(e, lua_topointer(L, -1));
  int object = lua_getmetatable(L, -1);
  if (object)
    lua_pop(L, 1);
  return mp_put_table(L, e, object);
}

/* A class: a table that metamethods are looked up in. */
static int is_class(lua_State *L) {
  int found = raw_field(L, MP_W_INDEX) != LUA_TNIL;
  lua_pop(L, 1);
  if (found)
    return 1;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
    if (lua_type(L, -2) == LUA_TSTRING &&
        strncmp(lua_tostring(L, -2), "__", 2) == 0) {
      lua_pop(L, 2);
      return 1;
    }
  return 0;
}

/* A class that has no name: perhaps a module got it after it was looked
** through. */
static int put_late_class(lua_State *L, struct mp_encoded *e) {
  if (e->looked_again ||
      !mp_names_changed_for(L, e->names, lua_topointer(L, -1)))
    return -1;
  if (!mp_enc_turn_rich(e))
    return 1;
  e->looked_again = 1;
  mp_names_look_again(L, e->names);
  return mp_put_named(L, e);
}

/* The table on top, if it is a class in a global.  `serves`: it is the
** metatable of something.  Else tables are looked at where functions are sent,
** for a class may be an upvalue and no metatable yet. */
static int put_class(lua_State *L, struct mp_encoded *e, int serves) {
  int count;
  if (!serves && !e->rich)
    return -1;
  if (mp_names_global(L, e->names, &count, &e->looked, serves) !=
      MP_NAME_GLOBAL)
    return serves ? put_late_class(L, e) : -1;
  lua_pushvalue(L, -count - 1);
  int class = serves || is_class(L);
  lua_pop(L, 1);
  if (!class) {
    lua_pop(L, count);
    return -1;
  }
  e->head_flags |= MP_HEAD_CODE;
  mp_enc_tag(L, e, MP_TAG_CLASS);
  put_path(L, e, count);
  return put_after_path(L, e);
}

/* Is the table on top about to be written as a metatable? */
static int serves(const struct mp_encoded *e) {
  return e->depth > 0 && e->frames[e->depth - 1].kind == MP_FRAME_TAIL;
}

int mp_put_named(lua_State *L, struct mp_encoded *e) {
  int count;
  int table = lua_istable(L, -1);
  if (lua_topointer(L, -1) == mp_names_globals(e->names)) {
    e->head_flags |= MP_HEAD_CODE;
    mp_enc_tag(L, e, MP_TAG_GLOBALS);
    return 1;
  }
  switch (mp_names_module(L, e->names, &count)) {
  case MP_NAME_MODULE:
    e->head_flags |= MP_HEAD_CODE;
    mp_enc_tag(L, e, MP_TAG_NAME);
    put_path(L, e, count);
    return 1;
  case MP_NAME_DATA:
    e->head_flags |= MP_HEAD_CODE;
    mp_enc_tag(L, e, MP_TAG_NAMED);
    put_path(L, e, count);
    return put_after_path(L, e);
  default:
    break;
  }
  return table ? put_class(L, e, serves(e)) : -1;
}

/* What should have a name, or else cannot be sent. */
static int put_by_name_only(lua_State *L, struct mp_encoded *e) {
  if (e->names == NULL)
    return -1;
  int rc = mp_put_named(L, e);
  if (rc >= 0 || !mp_names_changed(L, e->names))
    return rc;
  if (!mp_enc_turn_rich(e))
    return 1;
  mp_names_look_again(L, e->names);
  return mp_put_named(L, e);
}

int mp_put_light(lua_State *L, struct mp_encoded *e) {
  if (put_by_name_only(L, e) < 0)
    mp_enc_fail(L, e, "a light userdata");
  return 1;
}

int mp_put_c_function(lua_State *L, struct mp_encoded *e) {
  if (put_by_name_only(L, e) < 0)
    mp_enc_fail(L, e, "a C function");
  return 1;
}

/* --- __reduce ------------------------------------------------------------- */

/* stack: error value.  Ctrl-C is not the function's fault. */
static int reduce_raised(lua_State *L, struct mp_encoded *e) {
  const char *s = lua_tostring(L, -1);
  if (s != NULL && strstr(s, "interrupted!") != NULL)
    return lua_error(L);
  s = luaL_tolstring(L, -1, NULL);
  return mp_enc_fail(L, e, "an object whose __reduce raised an error (%s)", s);
}

/* stack: object, its __reduce -> object, list of what it returned */
static int call_reduce(lua_State *L, struct mp_encoded *e) {
  int object = lua_gettop(L) - 1;
  lua_pushvalue(L, object);
  if (lua_pcall(L, 1, LUA_MULTRET, 0) != LUA_OK)
    return reduce_raised(L, e);
  int n = lua_gettop(L) - object;
  if (n == 0 || !lua_isfunction(L, object + 1))
    return mp_enc_fail(L, e, "an object whose __reduce returned %s, not a "
                             "function first",
                       n == 0 ? "nothing" : luaL_typename(L, object + 1));
  luaL_checkstack(L, 4, NULL);
  lua_createtable(L, n, 0);
  lua_insert(L, object + 1);
  for (int i = n; i > 0; i--)
    lua_rawseti(L, object + 1, i);
  return n;
}

/* stack: object, its __reduce */
static int put_reduced(lua_State *L, struct mp_encoded *e) {
  if (!mp_enc_turn_rich(e)) {
    lua_pop(L, 1);
    return 1;
  }
  int n = call_reduce(L, e);
  uint64_t at = e->out.len;
  e->head_flags |= MP_HEAD_CODE;
  mp_enc_tag(L, e, MP_TAG_REDUCE);
  unsigned char *p = mp_enc_room(L, e, 4);
  mp_enc_advance(e, mp_put32(p, (uint32_t)n));
  mp_enc_push(L, e, MP_FRAME_REDUCE, at, 2)->pairs = (uint32_t)n;
  return 0;
}

/* stack: object, list [, value that was written] */
void mp_step_reduce(lua_State *L, struct mp_encoded *e) {
  struct mp_frame *f = mp_enc_top(e);
  while (f->list < f->pairs) {
    lua_rawgeti(L, -1, (lua_Integer)++f->list);
    if (!mp_put_value(L, e))
      return;
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  mp_enc_pop(L, e);
}

/* stack: object, metatable -> object [, __reduce]: is there one? */
static int has_reduce(lua_State *L, struct mp_encoded *e) {
  if (e->names != NULL && raw_field(L, MP_W_REDUCE) == LUA_TFUNCTION) {
    lua_remove(L, -2);
    return 1;
  }
  lua_pop(L, e->names != NULL ? 2 : 1);
  return 0;
}

/* --- tables with a metatable ---------------------------------------------- */

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
    mp_enc_record_begins(e, lua_topointer(L, -1));
    return mp_put_table(L, e, 0);
  }
  if (has_reduce(L, e))
    return put_reduced(L, e);
  return mp_put_table(L, e, 1);
}

/* --- userdata ------------------------------------------------------------- */

/* The __name of the userdata on top, for a message. */
static const char *type_name(lua_State *L) {
  if (!lua_getmetatable(L, -1))
    return "userdata";
  return raw_field(L, MP_W_NAME) == LUA_TSTRING ? lua_tostring(L, -1)
                                                : "userdata";
}

/* stack: userdata */
static int put_shared(lua_State *L, struct mp_encoded *e,
                      const struct mp_ref_type *type) {
  if (!(e->flags & MP_CODEC_SHARED))
    return mp_enc_fail(L, e, "a shared object (%s, which only messages "
                       "within its family of processes hold)",
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
    if (raw_field(L, MP_W_MPREF) == LUA_TLIGHTUSERDATA)
      type = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (type == NULL && has_reduce(L, e))
      return put_reduced(L, e);
    if (type != NULL)
      lua_pop(L, 1);
  }
  if (type != NULL)
    return put_shared(L, e, type);
  if (put_by_name_only(L, e) < 0) {
    e->detail = type_name(L);
    mp_enc_fail(L, e, "a userdata");
  }
  return 1;
}
