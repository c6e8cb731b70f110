/*
** l_list.c: manager lists as Lua sees them
** MIT licence, see LICENSE
**
** What compares by contents or sorts is Lua (manager/list.lua), over snapshots
** and `locked`; all else is here.
*/

#include "bind/modules.h"

#include <errno.h>

#include "base/code.h"
#include "bind/core.h"
#include "bind/object.h"
#include "bind/stored.h"
#include "store/list.h"

static const struct mp_kind kind = {.name = "multiprocessing.list",
                                    .type = MP_T_LIST};

static void list_push(lua_State *L, mp_off off) {
  mp_handle_push(L, &kind, off);
}

static const struct mp_ref_type ref = {
    .id = MP_T_LIST, .place = mp_handle_place, .push = list_push};

static struct mp_list *check(lua_State *L) {
  return mp_handle_check(L, 1, &kind)->body;
}

static int raise(lua_State *L, int64_t code, const char *method) {
  return mp_raise_code(L, (int)code, lua_pushfstring(L, "list:%s", method));
}

static int create(lua_State *L) {
  mp_list_setup();
  struct mp_handle *h = mp_handle_create(L, &kind, sizeof(struct mp_list));
  int rc = mp_list_init(h->body);
  if (rc < 0)
    raise(L, rc, "new");
  return 1;
}

static lua_Integer count(lua_State *L, struct mp_list *l) {
  int64_t n = mp_list_count(mp_arena_if_any(), l);
  if (n < 0)
    raise(L, n, "len");
  return (lua_Integer)n;
}

/* --- l[i] ----------------------------------------------------------------- */

/* upvalue 2: the methods */
static int push_method(lua_State *L) {
  lua_settop(L, 2);
  lua_rawget(L, lua_upvalueindex(2));
  return 1;
}

static int list_index(lua_State *L) {
  struct mp_got got;
  int exact;
  lua_Integer i = lua_tointegerx(L, 2, &exact);
  if (!exact || lua_type(L, 2) != LUA_TNUMBER)
    return push_method(L);
  struct mp_list *l = check(L);
  if (i < 1)
    return 0;
  int rc = mp_list_get(mp_arena_if_any(), l, (uint64_t)i - 1, &got);
  if (rc < 0)
    return raise(L, rc, "get");
  return rc > 0 ? mp_got_push(L, &got) : 0;
}

static int raise_outside(lua_State *L, struct mp_list *l, lua_Integer i) {
  lua_Integer n = count(L, l);
  return luaL_error(L, "index %I is outside the list: it has %I elements; "
                       "l[#l + 1] = v and l:append(v) add one",
                    (LUAI_UACINT)i, (LUAI_UACINT)n);
}

static lua_Integer check_place(lua_State *L, const char *what) {
  int exact;
  lua_Integer i = lua_tointegerx(L, 2, &exact);
  if (exact && lua_type(L, 2) == LUA_TNUMBER)
    return i;
  lua_pushvalue(L, 2);
  if (lua_type(L, 2) == LUA_TSTRING &&
      lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL)
    luaL_error(L, "cannot assign to '%s': that is a method of list",
               lua_tostring(L, 2));
  return luaL_error(L, "bad %s for a list (integer expected, got %s)", what,
                    luaL_typename(L, 2));
}

/* l[#l] = nil, as with tables */
static int remove_last(lua_State *L, struct mp_list *l, lua_Integer i) {
  int rc, done = 0;
  do
    rc = mp_list_cut(mp_arena_if_any(), l, (uint64_t)i - 1);
  while (mp_lock_again(L, &l->lock, rc, &done));
  if (rc == 0)
    return luaL_error(L, "a list has no holes: l:pop(%I) removes an element",
                      (LUAI_UACINT)i);
  return rc < 0 ? raise(L, rc, "pop") : 0;
}

static int list_newindex(lua_State *L) {
  struct mp_value v;
  int rc, done = 0;
  struct mp_list *l = check(L);
  lua_Integer i = check_place(L, "index");
  if (i < 1)
    return raise_outside(L, l, i);
  if (lua_isnil(L, 3))
    return remove_last(L, l, i);
  struct mp_encoded *e = mp_value_take(L, 3, &v);
  do
    rc = mp_list_set(mp_arena_if_any(), l, (uint64_t)i - 1, &v);
  while (mp_lock_again(L, &l->lock, rc, &done));
  mp_value_done(L, e);
  if (rc == -ERANGE)
    return raise_outside(L, l, i);
  if (rc < 0)
    return raise(L, rc, "set");
  if (rc > 0)
    mp_stored_charge(L, 0, &v);
  return 0;
}

static int list_len(lua_State *L) {
  lua_pushinteger(L, count(L, check(L)));
  return 1;
}

/* --- adding --------------------------------------------------------------- */

static void check_value(lua_State *L, int arg) {
  luaL_checkany(L, arg);
  luaL_argcheck(L, !lua_isnil(L, arg), arg, "a list cannot hold nil");
}

static int insert(lua_State *L, struct mp_list *l, uint64_t i, int arg) {
  struct mp_value v;
  int rc, done = 0;
  struct mp_encoded *e = mp_value_take(L, arg, &v);
  do
    rc = mp_list_insert(mp_arena_if_any(), l, i, &v);
  while (mp_lock_again(L, &l->lock, rc, &done));
  mp_value_done(L, e);
  if (rc > 0)
    mp_stored_charge(L, 0, &v);
  return rc;
}

static int list_append(lua_State *L) {
  struct mp_list *l = check(L);
  check_value(L, 2);
  int rc = insert(L, l, MP_LAST, 2);
  return rc < 0 ? raise(L, rc, "append") : 0;
}

static int list_insert(lua_State *L) {
  struct mp_list *l = check(L);
  lua_Integer i = luaL_checkinteger(L, 2);
  check_value(L, 3);
  int rc = i < 1 ? -ERANGE : insert(L, l, (uint64_t)i - 1, 3);
  if (rc == -ERANGE)
    return luaL_argerror(L, 2, "position out of bounds");
  return rc < 0 ? raise(L, rc, "insert") : 0;
}

/* stack: ..., value.  Pops it. */
static void stage(lua_State *L, struct mp_list *l) {
  int rc = insert(L, l, MP_LAST, lua_gettop(L));
  lua_pop(L, 1);
  if (rc < 0)
    raise(L, rc, "extend");
}

/* Everything is encoded into a list that nobody else knows, and moves over in
** one step. */
static void extend(lua_State *L, struct mp_list *l, int table) {
  int rc, done = 0;
  lua_Integer n = luaL_len(L, table);
  create(L);
  struct mp_handle *bag = lua_touserdata(L, -1);
  for (lua_Integer i = 1; i <= n; i++) {
    if (lua_geti(L, table, i) == LUA_TNIL)
      luaL_error(L, "a list cannot hold nil (element %I)", (LUAI_UACINT)i);
    stage(L, bag->body);
  }
  do
    rc = mp_list_extend(mp_arena_if_any(), l, bag->body);
  while (mp_lock_again(L, &l->lock, rc, &done));
  mp_handle_close(bag, &kind);
  lua_pop(L, 1);
  if (rc < 0)
    raise(L, rc, "extend");
}

static int as_table(lua_State *L, struct mp_list *l, lua_Integer i,
                    lua_Integer j);

/* A list of ours that another process may change is read at one moment. */
static int list_extend(lua_State *L) {
  struct mp_list *l = check(L);
  if (mp_handle_test(L, 2, &kind) != NULL) {
    as_table(L, mp_handle_check(L, 2, &kind)->body, 1, -1);
    lua_replace(L, 2);
  }
  luaL_checktype(L, 2, LUA_TTABLE);
  extend(L, l, 2);
  return 0;
}

/* --- removing ------------------------------------------------------------- */

static int list_pop(lua_State *L) {
  struct mp_got got;
  int rc, done = 0;
  struct mp_list *l = check(L);
  int last = lua_isnoneornil(L, 2);
  lua_Integer i = luaL_optinteger(L, 2, 1);
  uint64_t at = last ? MP_LAST : (uint64_t)i - 1;
  if (i < 1)
    return luaL_argerror(L, 2, "position out of bounds");
  do
    rc = mp_list_pop(mp_arena_if_any(), l, at, &got);
  while (mp_lock_again(L, &l->lock, rc, &done));
  if (rc == 0 && last)
    return luaL_error(L, "pop from an empty list");
  if (rc == 0)
    return luaL_argerror(L, 2, "position out of bounds");
  return rc < 0 ? raise(L, rc, "pop") : mp_got_push(L, &got);
}

static int list_clear(lua_State *L) {
  int rc, done = 0;
  struct mp_list *l = check(L);
  create(L);
  struct mp_handle *bag = lua_touserdata(L, -1);
  do
    rc = mp_list_clear(mp_arena_if_any(), l, bag->body);
  while (mp_lock_again(L, &l->lock, rc, &done));
  mp_handle_close(bag, &kind);
  return rc < 0 ? raise(L, rc, "clear") : 0;
}

/* --- plain values by value: for manager/list.lua -------------------------- */

/* The number, boolean or string at 2; pushes nothing. */
static struct mp_list *check_plain(lua_State *L, struct mp_value *v) {
  struct mp_list *l = check(L);
  int type = lua_type(L, 2);
  luaL_argcheck(L, type == LUA_TSTRING || type == LUA_TNUMBER ||
                       type == LUA_TBOOLEAN, 2, "number, string or boolean");
  mp_value_take(L, 2, v);
  return l;
}

/* find(l, v) -> index or nil */
static int find(lua_State *L) {
  struct mp_value v;
  uint64_t at;
  struct mp_list *l = check_plain(L, &v);
  int rc = mp_list_find(mp_arena_if_any(), l, 0, &v, &at);
  if (rc < 0)
    return raise(L, rc, "index");
  if (rc > 0)
    lua_pushinteger(L, (lua_Integer)at + 1);
  else
    lua_pushnil(L);
  return 1;
}

/* tally(l, v) -> how many */
static int tally(lua_State *L) {
  struct mp_value v;
  struct mp_list *l = check_plain(L, &v);
  int64_t n = mp_list_tally(mp_arena_if_any(), l, &v);
  if (n < 0)
    return raise(L, n, "count");
  lua_pushinteger(L, (lua_Integer)n);
  return 1;
}

/* take(l, v) -> was there one? */
static int take(lua_State *L) {
  struct mp_value v;
  int rc, done = 0;
  struct mp_list *l = check_plain(L, &v);
  do
    rc = mp_list_remove(mp_arena_if_any(), l, &v);
  while (mp_lock_again(L, &l->lock, rc, &done));
  if (rc < 0)
    return raise(L, rc, "remove");
  lua_pushboolean(L, rc);
  return 1;
}

/* --- order ---------------------------------------------------------------- */

static int permute(lua_State *L, struct mp_list *l, const uint64_t *order,
                   uint64_t n) {
  int rc, done = 0;
  do
    rc = mp_list_permute(mp_arena_if_any(), l, order, n);
  while (mp_lock_again(L, &l->lock, rc, &done));
  if (rc == -ESTALE)
    return luaL_error(L, "the list was changed while it was sorted");
  return rc < 0 ? raise(L, rc, "sort") : 0;
}

static int list_reverse(lua_State *L) {
  return permute(L, check(L), NULL, 0);
}

/* order(l, {old index, ...}); the caller has made a permutation of it */
static int order(lua_State *L) {
  struct mp_list *l = check(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_Unsigned n = lua_rawlen(L, 2);
  uint64_t *places = lua_newuserdatauv(L, (n + 1) * sizeof *places, 0);
  for (lua_Unsigned i = 0; i < n; i++) {
    lua_rawgeti(L, 2, (lua_Integer)i + 1);
    places[i] = (uint64_t)lua_tointeger(L, -1) - 1;
    luaL_argcheck(L, places[i] < n, 2, "a permutation");
    lua_pop(L, 1);
  }
  return permute(L, l, places, n);
}

/* locked(l, f, ...): f(...) under the list's lock */
static int locked(lua_State *L) {
  struct mp_list *l = check(L);
  mp_lock_call(L, &l->lock, lua_gettop(L) - 2, LUA_MULTRET);
  return lua_gettop(L) - 1;
}

/* --- all of it ------------------------------------------------------------ */

static struct mp_snapshot *snapshot(lua_State *L, struct mp_list *l,
                                    lua_Integer i, lua_Integer j,
                                    int64_t *n) {
  struct mp_snapshot *s = mp_snapshot_push(L);
  *n = mp_list_snapshot(mp_arena_if_any(), l, i, j, &s->buf);
  if (*n < 0)
    raise(L, *n, "copy");
  mp_gc_charge(L, s->buf.len);
  return s;
}

static int as_table(lua_State *L, struct mp_list *l, lua_Integer i,
                    lua_Integer j) {
  struct mp_entry *e;
  lua_Integer at = 0;
  int64_t n;
  struct mp_snapshot *s = snapshot(L, l, i, j, &n);
  lua_createtable(L, n > INT32_MAX ? 0 : (int)n, 0);
  while ((e = mp_snapshot_next(s)) != NULL) {
    mp_snapshot_value(L, e);
    lua_rawseti(L, -2, ++at);
  }
  mp_snapshot_free(mp_arena_if_any(), &s->buf);
  return 1;
}

static int list_copy(lua_State *L) {
  return as_table(L, check(L), 1, -1);
}

static int list_slice(lua_State *L) {
  struct mp_list *l = check(L);
  lua_Integer i = luaL_optinteger(L, 2, 1);
  return as_table(L, l, i, luaL_optinteger(L, 3, -1));
}

/* upvalues: the snapshot, the last index */
static int next_element(lua_State *L) {
  struct mp_snapshot *s = lua_touserdata(L, lua_upvalueindex(1));
  struct mp_entry *e = mp_snapshot_next(s);
  if (e == NULL) {
    mp_snapshot_free(mp_arena_if_any(), &s->buf);
    return 0;
  }
  lua_pushinteger(L, lua_tointeger(L, lua_upvalueindex(2)) + 1);
  lua_copy(L, -1, lua_upvalueindex(2));
  mp_snapshot_value(L, e);
  return 2;
}

static int list_pairs(lua_State *L) {
  int64_t n;
  snapshot(L, check(L), 1, -1, &n);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, next_element, 2);
  return 1;
}

/* --- module --------------------------------------------------------------- */

/* new([list]) */
static int new_list(lua_State *L) {
  int full = lua_istable(L, 1);
  create(L);
  struct mp_handle *h = lua_touserdata(L, -1);
  if (full)
    extend(L, h->body, 1);
  return 1;
}

/* For tests: are the structures in order? */
static int check_list(lua_State *L) {
  lua_pushboolean(L, mp_list_check(mp_arena_if_any(), check(L)) == 0);
  return 1;
}

static const luaL_Reg methods[] = {
    {"append", list_append}, {"extend", list_extend},
    {"insert", list_insert}, {"pop", list_pop},
    {"slice", list_slice},   {"reverse", list_reverse},
    {"copy", list_copy},     {"clear", list_clear},
    {NULL, NULL},
};

static const luaL_Reg meta[] = {
    {"__len", list_len}, {"__pairs", list_pairs}, {"__copy", list_copy},
    {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"list", new_list}, {"find", find},   {"tally", tally},
    {"take", take},     {"order", order}, {"locked", locked},
    {"check", check_list}, {NULL, NULL}};

int mp_open_list(lua_State *L) {
  mp_list_setup();
  mp_snapshot_class(L);
  lua_newtable(L);
  mp_handle_class(L, &kind, &ref, methods, meta);
  mp_stored_index(L, list_index, list_newindex);
  lua_setfield(L, -2, "meta");
  mp_handle_setfuncs(L, &kind, functions);
  return 1;
}
