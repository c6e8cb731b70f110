/*
** dict.c: what dicts and Namespaces have in common as Lua sees them
** MIT licence, see LICENSE
*/

#include "bind/dict.h"

#include "bind/core.h"
#include "store/dict.h"

const struct mp_kind mp_dict_kind = {.name = "multiprocessing.dict",
                                     .type = MP_T_DICT};
const struct mp_kind mp_space_kind = {.name = "multiprocessing.Namespace",
                                      .type = MP_T_DICT};

void mp_dict_key(lua_State *L, int arg, struct mp_key *k) {
  mp_key_check(L, arg, k, "dict");
}

void mp_name_key(lua_State *L, int arg, struct mp_key *k) {
  if (lua_type(L, arg) != LUA_TSTRING)
    luaL_error(L, "bad name in a Namespace (string expected, got %s)",
               luaL_typename(L, arg));
  mp_key_check(L, arg, k, "Namespace");
}

int mp_dict_raise(lua_State *L, int64_t code, const char *method) {
  return mp_raise_code(L, (int)code, lua_pushfstring(L, "dict:%s", method));
}

int mp_dict_make(lua_State *L, const struct mp_kind *k, uint32_t flags) {
  mp_dict_setup();
  struct mp_handle *h = mp_handle_create(L, k, sizeof(struct mp_dict));
  int rc = mp_dict_init(h->body, flags);
  if (rc < 0)
    mp_dict_raise(L, rc, "new");
  return 1;
}

/* --- one key -------------------------------------------------------------- */

int mp_dict_push_value(lua_State *L, struct mp_dict *d,
                       const struct mp_key *k) {
  struct mp_got got;
  int rc = mp_dict_get(mp_arena_if_any(), d, k, &got);
  if (rc < 0)
    return mp_dict_raise(L, rc, "get");
  return rc > 0 ? mp_got_push(L, &got) : 0;
}

int mp_dict_remove_key(lua_State *L, struct mp_dict *d,
                       const struct mp_key *k, struct mp_got *got) {
  int rc, done = 0;
  do
    rc = mp_dict_pop(mp_arena_if_any(), d, k, got);
  while (mp_lock_again(L, &d->lock, rc, &done));
  if (rc < 0)
    mp_dict_raise(L, rc, "pop");
  return rc;
}

void mp_dict_set_value(lua_State *L, struct mp_dict *d,
                       const struct mp_key *k, int arg) {
  struct mp_value v;
  int rc, done = 0;
  if (lua_isnil(L, arg)) {
    mp_dict_remove_key(L, d, k, NULL);
    return;
  }
  struct mp_encoded *e = mp_value_take(L, arg, &v);
  do
    rc = mp_dict_set(mp_arena_if_any(), d, k, &v);
  while (mp_lock_again(L, &d->lock, rc, &done));
  mp_value_done(L, e);
  if (rc < 0)
    mp_dict_raise(L, rc, "set");
  if (rc > 0)
    mp_stored_charge(L, k->size, &v);
}

/* --- all of it ------------------------------------------------------------ */

/* stack: ..., table, bag, key, value -> the same without the value */
static void stage(lua_State *L, struct mp_dict *d, int names) {
  struct mp_key k;
  if (names)
    mp_name_key(L, -2, &k);
  else
    mp_dict_key(L, -2, &k);
  mp_dict_set_value(L, d, &k, lua_gettop(L));
  lua_pop(L, 1);
}

/* Everything is encoded into a dict that nobody else knows, and moves over in
** one step.  What it replaces goes with that dict. */
void mp_dict_update_all(lua_State *L, struct mp_dict *d, int table) {
  int rc, done = 0;
  mp_dict_make(L, &mp_dict_kind, 0);
  struct mp_handle *bag = lua_touserdata(L, -1);
  lua_pushnil(L);
  while (lua_next(L, table))
    stage(L, bag->body, (d->flags & MP_DICT_NAMESPACE) != 0);
  do
    rc = mp_dict_merge(mp_arena_if_any(), d, bag->body);
  while (mp_lock_again(L, &d->lock, rc, &done));
  mp_handle_close(bag, &mp_dict_kind);
  lua_pop(L, 1);
  if (rc < 0)
    mp_dict_raise(L, rc, "update");
}

int64_t mp_dict_snapshot_push(lua_State *L, struct mp_dict *d) {
  struct mp_snapshot *s = mp_snapshot_push(L);
  int64_t n = mp_dict_snapshot(mp_arena_if_any(), d, &s->buf);
  if (n < 0)
    mp_dict_raise(L, n, "copy");
  mp_gc_charge(L, s->buf.len);
  return n;
}

int mp_dict_as_table(lua_State *L, struct mp_dict *d) {
  struct mp_entry *e;
  int64_t n = mp_dict_snapshot_push(L, d);
  struct mp_snapshot *s = lua_touserdata(L, -1);
  lua_createtable(L, 0, n > INT32_MAX ? 0 : (int)n);
  while ((e = mp_snapshot_next(s)) != NULL) {
    mp_snapshot_key(L, e);
    mp_snapshot_value(L, e);
    lua_rawset(L, -3);
  }
  mp_snapshot_free(mp_arena_if_any(), &s->buf);
  return 1;
}

/* upvalue 1: the snapshot */
static int next_pair(lua_State *L) {
  struct mp_snapshot *s = lua_touserdata(L, lua_upvalueindex(1));
  struct mp_entry *e = mp_snapshot_next(s);
  if (e == NULL) {
    mp_snapshot_free(mp_arena_if_any(), &s->buf);
    return 0;
  }
  mp_snapshot_key(L, e);
  mp_snapshot_value(L, e);
  return 2;
}

int mp_dict_iterate(lua_State *L, struct mp_dict *d) {
  mp_dict_snapshot_push(L, d);
  lua_pushcclosure(L, next_pair, 1);
  return 1;
}

