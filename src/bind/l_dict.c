/*
** l_dict.c: manager dicts and Namespaces as Lua sees them
** MIT licence, see LICENSE
**
** Two classes of one kind of object: a Namespace is a dict whose keys are
** names and which has no methods.  The Lua half (manager/dict.lua) has the
** constructor, tostring and the documentation of each method.
*/

#include "bind/modules.h"

#include <errno.h>

#include "bind/core.h"
#include "bind/dict.h"

static void dict_push(lua_State *L, mp_off off) {
  struct mp_arena *a = mp_core_arena(L);
  const struct mp_kind *k = &mp_dict_kind;
  if (mp_object_is(a, off, MP_T_DICT) &&
      (((struct mp_dict *)mp_at(a, off))->flags & MP_DICT_NAMESPACE))
    k = &mp_space_kind;
  mp_handle_push(L, k, off);
}

static const struct mp_ref_type ref = {
    .id = MP_T_DICT, .place = mp_handle_place, .push = dict_push};

/* --- arguments ------------------------------------------------------------ */

static struct mp_dict *check(lua_State *L) {
  return mp_handle_check(L, 1, &mp_dict_kind)->body;
}

static struct mp_dict *check_space(lua_State *L) {
  return mp_handle_check(L, 1, &mp_space_kind)->body;
}

/* --- d[k], d[k] = v ------------------------------------------------------- */

/* upvalue 2: the methods.  Pushes what is there under the key. */
static int push_method(lua_State *L) {
  if (lua_type(L, 2) != LUA_TSTRING)
    return 0;
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL)
    return 1;
  lua_pop(L, 1);
  return 0;
}

static int dict_index(lua_State *L) {
  struct mp_key k;
  if (push_method(L))
    return 1;
  struct mp_dict *d = check(L);
  mp_dict_key(L, 2, &k);
  return mp_dict_push_value(L, d, &k);
}

static int dict_newindex(lua_State *L) {
  struct mp_key k;
  struct mp_dict *d = check(L);
  if (push_method(L))
    return luaL_error(L, "cannot assign to '%s': that is a method of dict; "
                         "write d:set(\"%s\", value)",
                      lua_tostring(L, 2), lua_tostring(L, 2));
  mp_dict_key(L, 2, &k);
  mp_dict_set_value(L, d, &k, 3);
  return 0;
}

static int dict_len(lua_State *L) {
  int64_t n = mp_dict_count(mp_arena_if_any(), check(L));
  if (n < 0)
    return mp_dict_raise(L, n, "len");
  lua_pushinteger(L, (lua_Integer)n);
  return 1;
}

static int dict_get(lua_State *L) {
  struct mp_key k;
  struct mp_dict *d = check(L);
  mp_dict_key(L, 2, &k);
  lua_settop(L, 3);
  mp_dict_push_value(L, d, &k);
  return 1;
}

static int dict_set(lua_State *L) {
  struct mp_key k;
  struct mp_dict *d = check(L);
  mp_dict_key(L, 2, &k);
  luaL_checkany(L, 3);
  mp_dict_set_value(L, d, &k, 3);
  return 0;
}

static int dict_has(lua_State *L) {
  struct mp_key k;
  struct mp_dict *d = check(L);
  mp_dict_key(L, 2, &k);
  int rc = mp_dict_has(mp_arena_if_any(), d, &k);
  if (rc < 0)
    return mp_dict_raise(L, rc, "has");
  lua_pushboolean(L, rc);
  return 1;
}

static int dict_pop(lua_State *L) {
  struct mp_key k;
  struct mp_got got;
  struct mp_dict *d = check(L);
  mp_dict_key(L, 2, &k);
  if (mp_dict_remove_key(L, d, &k, &got))
    return mp_got_push(L, &got);
  if (lua_gettop(L) < 3)
    return luaL_error(L, "this dict has no key %s; d:pop(key, default) does "
                         "not raise", luaL_tolstring(L, 2, NULL));
  lua_settop(L, 3);
  return 1;
}

static int dict_setdefault(lua_State *L) {
  struct mp_key k;
  struct mp_value v;
  struct mp_got got;
  int rc, done = 0;
  struct mp_dict *d = check(L);
  mp_dict_key(L, 2, &k);
  luaL_checkany(L, 3);
  if (lua_isnil(L, 3))
    return dict_get(L);
  struct mp_encoded *e = mp_value_take(L, 3, &v);
  do
    rc = mp_dict_setdefault(mp_arena_if_any(), d, &k, &v, &got);
  while (mp_lock_again(L, &d->lock, rc, &done));
  mp_value_done(L, e);
  if (rc < 0)
    return mp_dict_raise(L, rc, "setdefault");
  if (rc > 0)
    return mp_got_push(L, &got);
  lua_settop(L, 3);
  return 1;
}

static void take_step(lua_State *L, int arg, struct mp_value *v) {
  if (lua_isnoneornil(L, arg))
    mp_value_int(v, 1);
  else {
    luaL_checktype(L, arg, LUA_TNUMBER);
    mp_value_take(L, arg, v);
  }
}

static int dict_incr(lua_State *L) {
  struct mp_key k;
  struct mp_value v, sum;
  int rc, done = 0;
  struct mp_dict *d = check(L);
  mp_dict_key(L, 2, &k);
  take_step(L, 3, &v);
  do
    rc = mp_dict_incr(mp_arena_if_any(), d, &k, &v, &sum);
  while (mp_lock_again(L, &d->lock, rc, &done));
  if (rc == -EINVAL)
    return luaL_error(L, "cannot add to the value of key %s: it is no number",
                      luaL_tolstring(L, 2, NULL));
  if (rc < 0)
    return mp_dict_raise(L, rc, "incr");
  return mp_plain_push(L, sum.type, sum.data, sizeof sum.number);
}

/* --- update --------------------------------------------------------------- */

/* stack: dict, key, f -> the new value; the lock is held */
static int run_update(lua_State *L) {
  struct mp_key k;
  struct mp_dict *d = check(L);
  mp_dict_key(L, 2, &k);
  if (!mp_dict_push_value(L, d, &k))
    lua_pushnil(L);
  lua_call(L, 1, 1);
  mp_dict_set_value(L, d, &k, 3);
  return 1;
}

static int update_one(lua_State *L) {
  struct mp_key k;
  struct mp_dict *d = check(L);
  mp_dict_key(L, 2, &k);
  mp_callable_check(L, 3);
  lua_settop(L, 3);
  lua_pushcfunction(L, run_update);
  lua_insert(L, 1);
  mp_lock_call(L, &d->lock, 3, 1);
  return 1;
}

/* The dict or Namespace at 2, or NULL. */
static struct mp_dict *opt_other(lua_State *L) {
  if (mp_handle_test(L, 2, &mp_dict_kind) != NULL)
    return mp_handle_check(L, 2, &mp_dict_kind)->body;
  if (mp_handle_test(L, 2, &mp_space_kind) != NULL)
    return mp_handle_check(L, 2, &mp_space_kind)->body;
  return NULL;
}

static int dict_update(lua_State *L) {
  struct mp_dict *d = check(L), *other = opt_other(L);
  if (other == NULL && lua_type(L, 2) != LUA_TTABLE)
    return update_one(L);
  if (lua_gettop(L) > 2)
    return luaL_error(L, "wrong number of arguments to 'update' (a table, or "
                         "a key and a function)");
  if (other != NULL) {
    mp_dict_as_table(L, other);
    lua_replace(L, 2);
  }
  mp_dict_update_all(L, d, 2);
  return 0;
}

static int dict_clear(lua_State *L) {
  int rc, done = 0;
  struct mp_dict *d = check(L);
  mp_dict_make(L, &mp_dict_kind, 0);
  struct mp_handle *bag = lua_touserdata(L, -1);
  do
    rc = mp_dict_clear(mp_arena_if_any(), d, bag->body);
  while (mp_lock_again(L, &d->lock, rc, &done));
  mp_handle_close(bag, &mp_dict_kind);
  return rc < 0 ? mp_dict_raise(L, rc, "clear") : 0;
}

/* --- all of it ------------------------------------------------------------ */

static int dict_copy(lua_State *L) {
  return mp_dict_as_table(L, check(L));
}

static int space_copy(lua_State *L) {
  return mp_dict_as_table(L, check_space(L));
}

static void push_key(lua_State *L, struct mp_entry *e) {
  mp_snapshot_key(L, e);
}

static void push_pair(lua_State *L, struct mp_entry *e) {
  lua_createtable(L, 2, 0);
  mp_snapshot_key(L, e);
  lua_rawseti(L, -2, 1);
  mp_snapshot_value(L, e);
  lua_rawseti(L, -2, 2);
}

static int as_list(lua_State *L,
                   void (*push)(lua_State *, struct mp_entry *)) {
  struct mp_entry *e;
  lua_Integer i = 0;
  int64_t n = mp_dict_snapshot_push(L, check(L));
  struct mp_snapshot *s = lua_touserdata(L, -1);
  lua_createtable(L, n > INT32_MAX ? 0 : (int)n, 0);
  while ((e = mp_snapshot_next(s)) != NULL) {
    push(L, e);
    lua_rawseti(L, -2, ++i);
  }
  mp_snapshot_free(mp_arena_if_any(), &s->buf);
  return 1;
}

static int dict_keys(lua_State *L) {
  return as_list(L, push_key);
}

static int dict_values(lua_State *L) {
  return as_list(L, mp_snapshot_value);
}

static int dict_items(lua_State *L) {
  return as_list(L, push_pair);
}

static int dict_pairs(lua_State *L) {
  return mp_dict_iterate(L, check(L));
}

/* --- Namespace ------------------------------------------------------------ */

static int space_index(lua_State *L) {
  struct mp_key k;
  struct mp_dict *d = check_space(L);
  mp_name_key(L, 2, &k);
  return mp_dict_push_value(L, d, &k);
}

static int space_newindex(lua_State *L) {
  struct mp_key k;
  struct mp_dict *d = check_space(L);
  mp_name_key(L, 2, &k);
  mp_dict_set_value(L, d, &k, 3);
  return 0;
}

static int space_pairs(lua_State *L) {
  return mp_dict_iterate(L, check_space(L));
}

/* --- module --------------------------------------------------------------- */

/* new([table]) */
static int new(lua_State *L, const struct mp_kind *k, uint32_t flags) {
  int full = lua_istable(L, 1);
  mp_dict_make(L, k, flags);
  struct mp_handle *h = lua_touserdata(L, -1);
  if (full)
    mp_dict_update_all(L, h->body, 1);
  return 1;
}

static int new_dict(lua_State *L) {
  return new(L, &mp_dict_kind, 0);
}

static int new_space(lua_State *L) {
  return new(L, &mp_space_kind, MP_DICT_NAMESPACE);
}

/* For tests: are the structures in order? */
static int check_dict(lua_State *L) {
  lua_pushboolean(L, mp_dict_check(mp_arena_if_any(), check(L)) == 0);
  return 1;
}

static const luaL_Reg methods[] = {
    {"get", dict_get},       {"set", dict_set},
    {"pop", dict_pop},       {"setdefault", dict_setdefault},
    {"update", dict_update}, {"incr", dict_incr},
    {"has", dict_has},       {"keys", dict_keys},
    {"values", dict_values}, {"items", dict_items},
    {"copy", dict_copy},     {"clear", dict_clear},
    {NULL, NULL},
};

static const luaL_Reg meta[] = {
    {"__len", dict_len}, {"__pairs", dict_pairs}, {"__copy", dict_copy},
    {NULL, NULL}};

static const luaL_Reg space_meta[] = {{"__index", space_index},
                                      {"__newindex", space_newindex},
                                      {"__pairs", space_pairs},
                                      {"__copy", space_copy},
                                      {NULL, NULL}};

static const luaL_Reg no_methods[] = {{NULL, NULL}};

static const luaL_Reg functions[] = {{"dict", new_dict},
                                     {"Namespace", new_space},
                                     {"check", check_dict},
                                     {NULL, NULL}};

int mp_open_dict(lua_State *L) {
  mp_dict_setup();
  mp_snapshot_class(L);
  lua_newtable(L);
  mp_handle_class(L, &mp_dict_kind, &ref, methods, meta);
  mp_stored_index(L, dict_index, dict_newindex);
  lua_setfield(L, -2, "dict_meta");
  mp_handle_class(L, &mp_space_kind, &ref, no_methods, space_meta);
  lua_setfield(L, -2, "space_meta");
  mp_handle_setfuncs(L, &mp_dict_kind, functions);
  return 1;
}
