/*
** l_value.c: Value and RawValue as Lua sees them
** MIT licence, see LICENSE
*/

#include <string.h>

#include "bind/cells.h"
#include "bind/core.h"
#include "bind/modules.h"

static const struct mp_kind kind = {.name = "multiprocessing.Value",
                                    .type = MP_T_VALUE,
                                    .uservalues = 1};
static const struct mp_kind raw = {.name = "multiprocessing.RawValue",
                                   .type = MP_T_VALUE};

static void value_push(lua_State *L, mp_off off) {
  struct mp_arena *a = mp_core_arena(L);
  int is_raw = mp_object_is(a, off, MP_T_VALUE) &&
               (((struct mp_cells *)mp_at(a, off))->flags & MP_CELLS_RAW);
  mp_handle_push(L, is_raw ? &raw : &kind, off);
}

static const struct mp_ref_type ref = {
    .id = MP_T_VALUE, .place = mp_handle_place, .push = value_push};

static struct mp_cells *check(lua_State *L) {
  return mp_handle_check(L, 1, &kind)->body;
}

static struct mp_cells *check_raw(lua_State *L) {
  return mp_handle_check(L, 1, &raw)->body;
}

/* --- .value --------------------------------------------------------------- */

static int is_value(lua_State *L) {
  size_t len;
  const char *key = lua_tolstring(L, 2, &len); /* a number is no matter */
  return key != NULL && len == 5 && memcmp(key, "value", 5) == 0;
}

static int push_method(lua_State *L) {
  lua_settop(L, 2);
  lua_rawget(L, lua_upvalueindex(2));
  return 1;
}

static int value_index(lua_State *L) {
  struct mp_cells *c = check(L);
  const struct mp_type *t = mp_cells_type(c);
  if (!is_value(L))
    return push_method(L);
  int taken = mp_cells_enter(L, c);
  union mp_cell v = mp_cell_load(t, c->data);
  mp_cells_leave(c, taken);
  mp_cell_push(L, t, v);
  return 1;
}

static int raw_index(lua_State *L) {
  struct mp_cells *c = check_raw(L);
  const struct mp_type *t = mp_cells_type(c);
  if (!is_value(L))
    return push_method(L);
  mp_cell_push(L, t, mp_cell_load(t, c->data));
  return 1;
}

static void check_field(lua_State *L, const char *what) {
  if (!is_value(L))
    luaL_error(L, "a %s has no field '%s' to assign to (only 'value')", what,
               luaL_tolstring(L, 2, NULL));
}

static int value_newindex(lua_State *L) {
  struct mp_cells *c = check(L);
  const struct mp_type *t = mp_cells_type(c);
  check_field(L, "Value");
  union mp_cell v = mp_cell_check(L, 3, t);
  int taken = mp_cells_enter(L, c);
  mp_cell_store(t, c->data, v);
  mp_cells_leave(c, taken);
  return 0;
}

static int raw_newindex(lua_State *L) {
  struct mp_cells *c = check_raw(L);
  const struct mp_type *t = mp_cells_type(c);
  check_field(L, "RawValue");
  mp_cell_store(t, c->data, mp_cell_check(L, 3, t));
  return 0;
}

/* --- methods -------------------------------------------------------------- */

static int value_add(lua_State *L) {
  return mp_cells_add(L, check(L), 0, 2);
}

static int value_cas(lua_State *L) {
  return mp_cells_cas(L, check(L), 0, 2);
}

static int value_update(lua_State *L) {
  return mp_cells_update(L, check(L), 0, 2);
}

static int raw_add(lua_State *L) {
  return mp_cells_add(L, check_raw(L), 0, 2);
}

static int raw_cas(lua_State *L) {
  return mp_cells_cas(L, check_raw(L), 0, 2);
}

static int value_get_lock(lua_State *L) {
  return mp_cells_get_lock(L, mp_handle_check(L, 1, &kind));
}

static struct mp_lock *check_lock(lua_State *L) {
  return mp_cells_lock(mp_arena_if_any(), check(L));
}

static int value_acquire(lua_State *L) {
  return mp_push_acquire(L, check_lock(L), mp_block_deadline(L, 2));
}

static int value_release(lua_State *L) {
  return mp_do_release(L, check_lock(L), "Value's lock");
}

static int value_locked(lua_State *L) {
  lua_pushboolean(L, mp_lock_is_held(check_lock(L)));
  return 1;
}

/* value(typecode, value or nil, lock) */
static int new_value(lua_State *L) {
  int type = mp_type_check(L, 1);
  const struct mp_type *t = mp_type_at(type);
  union mp_cell v = {.i = 0};
  lua_settop(L, 3);
  if (!lua_isnil(L, 2))
    v = mp_cell_check(L, 2, t);
  struct mp_cells *c = mp_cells_new(L, &kind, &raw, type, 1, 3);
  if (!lua_isnil(L, 2))
    mp_cell_store(t, c->data, v);
  return 1;
}

static const luaL_Reg methods[] = {
    {"add", value_add},         {"cas", value_cas},
    {"update", value_update},   {"get_lock", value_get_lock},
    {"acquire", value_acquire}, {"release", value_release},
    {"locked", value_locked},   {NULL, NULL}};

static const luaL_Reg raw_methods[] = {
    {"add", raw_add}, {"cas", raw_cas}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__newindex", value_newindex}, {NULL, NULL}};
static const luaL_Reg raw_meta[] = {{"__newindex", raw_newindex},
                                    {NULL, NULL}};

static const luaL_Reg functions[] = {{"value", new_value}, {NULL, NULL}};

/* stack: module.  The class's __index becomes f, the methods its upvalue 2. */
static void set_index(lua_State *L, const char *class, const char *name,
                      lua_CFunction f) {
  luaL_getmetatable(L, name);
  lua_pushvalue(L, -1);
  lua_getfield(L, -3, class);
  lua_pushcclosure(L, f, 2);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

void mp_add_value(lua_State *L) {
  mp_sync_class(L, "Value", &kind, &ref, methods, meta);
  set_index(L, "Value", kind.name, value_index);
  mp_sync_class(L, "RawValue", &raw, &ref, raw_methods, raw_meta);
  set_index(L, "RawValue", raw.name, raw_index);
  luaL_setfuncs(L, functions, 0);
}

int mp_open_shared(lua_State *L) {
  mp_sync_setup();
  lua_newtable(L);
  mp_add_value(L);
  mp_add_array(L);
  mp_add_memory(L);
  return 1;
}
