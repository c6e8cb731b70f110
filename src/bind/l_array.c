/*
** l_array.c: Array and RawArray as Lua sees them
** MIT licence, see LICENSE
**
** Whole ranges are copied under the lock and converted outside it, so the lock
** is held for one memcpy and nothing that can raise happens meanwhile.
*/

#include <string.h>

#include "bind/cells.h"
#include "bind/core.h"

static const struct mp_kind kind = {.name = "multiprocessing.Array",
                                    .type = MP_T_ARRAY,
                                    .uservalues = 1};
static const struct mp_kind raw = {.name = "multiprocessing.RawArray",
                                   .type = MP_T_ARRAY};

static void array_push(lua_State *L, mp_off off) {
  struct mp_arena *a = mp_core_arena(L);
  int is_raw = mp_object_is(a, off, MP_T_ARRAY) &&
               (((struct mp_cells *)mp_at(a, off))->flags & MP_CELLS_RAW);
  mp_handle_push(L, is_raw ? &raw : &kind, off);
}

static const struct mp_ref_type ref = {
    .id = MP_T_ARRAY, .place = mp_handle_place, .push = array_push};

static struct mp_handle *check_handle(lua_State *L) {
  struct mp_handle *h = mp_handle_test(L, 1, &raw);
  return h != NULL && h->off != 0 ? h : mp_handle_check(L, 1, &kind);
}

static struct mp_cells *check(lua_State *L) {
  return check_handle(L)->body;
}

/* --- ranges --------------------------------------------------------------- */

/* Pushes a private copy of cells first..first+n-1 (from 0). */
static void *copy_out(lua_State *L, struct mp_cells *c, uint64_t first,
                      uint64_t n) {
  size_t width = mp_cells_type(c)->width;
  void *copy = lua_newuserdatauv(L, (size_t)n * width, 0);
  int taken = mp_cells_enter(L, c);
  memcpy(copy, c->data + first * width, (size_t)n * width);
  mp_cells_leave(c, taken);
  return copy;
}

static void copy_in(lua_State *L, struct mp_cells *c, uint64_t first,
                    const void *from, uint64_t n) {
  size_t width = mp_cells_type(c)->width;
  int taken = mp_cells_enter(L, c);
  memcpy(c->data + first * width, from, (size_t)n * width);
  mp_cells_leave(c, taken);
}

#define PUSH_ALL(type, push, cast)                          \
  for (uint64_t k = 0; k < n; k++) {                        \
    push(L, (cast)((const type *)copy)[k]);                 \
    lua_rawseti(L, -2, (lua_Integer)k + 1);                 \
  }

static void fill_table(lua_State *L, const struct mp_type *t, const void *copy,
                       uint64_t n) {
  switch (t->code) {
  case 'b':
    PUSH_ALL(int8_t, lua_pushinteger, lua_Integer)
    break;
  case 'B':
    PUSH_ALL(uint8_t, lua_pushinteger, lua_Integer)
    break;
  case 'h':
    PUSH_ALL(int16_t, lua_pushinteger, lua_Integer)
    break;
  case 'H':
    PUSH_ALL(uint16_t, lua_pushinteger, lua_Integer)
    break;
  case 'i':
    PUSH_ALL(int32_t, lua_pushinteger, lua_Integer)
    break;
  case 'I':
    PUSH_ALL(uint32_t, lua_pushinteger, lua_Integer)
    break;
  case 'f':
    PUSH_ALL(float, lua_pushnumber, lua_Number)
    break;
  case 'd':
    PUSH_ALL(double, lua_pushnumber, lua_Number)
    break;
  case 'c':
    for (uint64_t k = 0; k < n; k++) {
      lua_pushlstring(L, (const char *)copy + k, 1);
      lua_rawseti(L, -2, (lua_Integer)k + 1);
    }
    break;
  default:
    PUSH_ALL(int64_t, lua_pushinteger, lua_Integer)
    break;
  }
}

static int push_list(lua_State *L, struct mp_cells *c, uint64_t first,
                     uint64_t n) {
  if (n > INT32_MAX)
    return luaL_error(L, "not enough memory");
  const void *copy = copy_out(L, c, first, n);
  lua_createtable(L, (int)n, 0);
  fill_table(L, mp_cells_type(c), copy, n);
  return 1;
}

/* i, j as in string.sub -> first (from 0) and count */
static uint64_t clamp(lua_State *L, int arg, uint64_t length,
                      uint64_t *first) {
  lua_Integer len = (lua_Integer)length;
  lua_Integer i = luaL_optinteger(L, arg, 1);
  lua_Integer j = luaL_optinteger(L, arg + 1, -1);
  if (i < 0)
    i = i < -len ? 1 : len + i + 1;
  else if (i == 0)
    i = 1;
  if (j < 0)
    j = j < -len ? 0 : len + j + 1;
  else if (j > len)
    j = len;
  *first = (uint64_t)(i - 1);
  return i > j ? 0 : (uint64_t)(j - i + 1);
}

static int array_slice(lua_State *L) {
  struct mp_cells *c = check(L);
  uint64_t first;
  uint64_t n = clamp(L, 2, c->length, &first);
  return push_list(L, c, n > 0 ? first : 0, n);
}

static int array_totable(lua_State *L) {
  struct mp_cells *c = check(L);
  return push_list(L, c, 0, c->length);
}

/* --- setting -------------------------------------------------------------- */

static int raise_outside(lua_State *L, struct mp_cells *c, lua_Integer i) {
  return luaL_error(L, "index %I is outside this array (1..%I)",
                    (LUAI_UACINT)i, (LUAI_UACINT)c->length);
}

static uint64_t check_room(lua_State *L, struct mp_cells *c, int arg,
                           uint64_t n) {
  lua_Integer at = luaL_optinteger(L, arg, 1);
  if (at < 1 || (n > 0 && (uint64_t)at > c->length))
    raise_outside(L, c, at);
  if (n > 0 && n > c->length - (uint64_t)(at - 1))
    luaL_error(L, "%I values from index %I do not fit this array of %I",
               (LUAI_UACINT)n, (LUAI_UACINT)at, (LUAI_UACINT)c->length);
  return (uint64_t)(at - 1);
}

/* The list's length: field n where it has one. */
static uint64_t list_length(lua_State *L, int arg) {
  lua_Integer n;
  if (lua_getfield(L, arg, "n") == LUA_TNUMBER)
    n = luaL_checkinteger(L, -1);
  else
    n = luaL_len(L, arg);
  lua_pop(L, 1);
  return n > 0 ? (uint64_t)n : 0;
}

/* Pushes the list's values as cells in private memory. */
static void *convert(lua_State *L, int arg, const struct mp_type *t,
                     uint64_t n) {
  unsigned char *copy = lua_newuserdatauv(L, (size_t)n * t->width, 0);
  for (uint64_t k = 0; k < n; k++) {
    lua_geti(L, arg, (lua_Integer)k + 1);
    mp_cell_store(t, copy + k * t->width, mp_cell_check(L, -1, t));
    lua_pop(L, 1);
  }
  return copy;
}

/* stack[arg]: a list, or a string for type 'c'; stack[arg + 1]: where */
static void set_from(lua_State *L, struct mp_cells *c, int arg) {
  const struct mp_type *t = mp_cells_type(c);
  if (t->class == MP_CHAR && lua_type(L, arg) == LUA_TSTRING) {
    size_t n;
    const char *s = lua_tolstring(L, arg, &n);
    copy_in(L, c, check_room(L, c, arg + 1, n), s, n);
    return;
  }
  luaL_checktype(L, arg, LUA_TTABLE);
  uint64_t n = list_length(L, arg);
  uint64_t first = check_room(L, c, arg + 1, n);
  copy_in(L, c, first, convert(L, arg, t, n), n);
}

static int array_set(lua_State *L) {
  set_from(L, check(L), 2);
  return 0;
}

static int array_fill(lua_State *L) {
  struct mp_cells *c = check(L);
  const struct mp_type *t = mp_cells_type(c);
  uint64_t first;
  union mp_cell v = mp_cell_check(L, 2, t);
  uint64_t n = clamp(L, 3, c->length, &first);
  int taken = mp_cells_enter(L, c);
  for (uint64_t k = 0; k < n; k++)
    mp_cell_store(t, mp_cells_at(c, first + k), v);
  mp_cells_leave(c, taken);
  return 0;
}

/* --- a 'c' array as a string ---------------------------------------------- */

static int push_raw(lua_State *L, struct mp_cells *c) {
  const char *copy = copy_out(L, c, 0, c->length);
  lua_pushlstring(L, copy, (size_t)c->length);
  return 1;
}

static int push_string(lua_State *L, struct mp_cells *c) {
  const char *copy = copy_out(L, c, 0, c->length);
  const char *end = memchr(copy, 0, (size_t)c->length);
  lua_pushlstring(L, copy, end ? (size_t)(end - copy) : (size_t)c->length);
  return 1;
}

/* .value = s: s and a NUL if there is room; .raw = s: s and NULs. */
static int set_string(lua_State *L, struct mp_cells *c, int whole) {
  size_t n;
  const char *s = luaL_checklstring(L, 3, &n);
  if (n > c->length)
    return luaL_error(L, "a string of %I bytes does not fit this array of %I",
                      (LUAI_UACINT)n, (LUAI_UACINT)c->length);
  int taken = mp_cells_enter(L, c);
  memcpy(c->data, s, n);
  if (n < c->length)
    memset(c->data + n, 0, whole ? (size_t)c->length - n : 1);
  mp_cells_leave(c, taken);
  return 0;
}

/* --- a[i] ----------------------------------------------------------------- */

/* 1..length -> 0..; -1: outside */
static int64_t place_of(const struct mp_cells *c, lua_Integer i) {
  return i >= 1 && (uint64_t)i <= c->length ? i - 1 : -1;
}

static int push_at(lua_State *L, struct mp_cells *c, lua_Integer i) {
  const struct mp_type *t = mp_cells_type(c);
  int64_t at = place_of(c, i);
  if (at < 0) {
    if ((uint64_t)i != c->length + 1)
      return raise_outside(L, c, i);
    lua_pushnil(L);
    return 1;
  }
  int taken = mp_cells_enter(L, c);
  union mp_cell v = mp_cell_load(t, mp_cells_at(c, (uint64_t)at));
  mp_cells_leave(c, taken);
  mp_cell_push(L, t, v);
  return 1;
}

/* upvalue 2: methods */
static int push_field(lua_State *L, struct mp_cells *c) {
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  int is_c = mp_cells_type(c)->class == MP_CHAR;
  if (is_c && strcmp(key, "value") == 0)
    return push_string(L, c);
  if (is_c && strcmp(key, "raw") == 0)
    return push_raw(L, c);
  lua_settop(L, 2);
  lua_rawget(L, lua_upvalueindex(2));
  return 1;
}

static int array_index(lua_State *L) {
  struct mp_cells *c = check(L);
  int ok = 0;
  lua_Integer i = 0;
  if (lua_type(L, 2) == LUA_TNUMBER)
    i = lua_tointegerx(L, 2, &ok);
  else
    return push_field(L, c);
  if (!ok)
    return luaL_error(L, "index %f is outside this array (1..%I)",
                      (LUAI_UACNUMBER)lua_tonumber(L, 2),
                      (LUAI_UACINT)c->length);
  return push_at(L, c, i);
}

static int set_field(lua_State *L, struct mp_cells *c) {
  const char *key = luaL_tolstring(L, 2, NULL);
  int is_c = mp_cells_type(c)->class == MP_CHAR;
  if (is_c && strcmp(key, "value") == 0)
    return set_string(L, c, 0);
  if (is_c && strcmp(key, "raw") == 0)
    return set_string(L, c, 1);
  return luaL_error(L, "cannot assign to '%s' of an array (indices are 1..%I)",
                    key, (LUAI_UACINT)c->length);
}

static int array_newindex(lua_State *L) {
  struct mp_cells *c = check(L);
  const struct mp_type *t = mp_cells_type(c);
  int ok = 0;
  lua_Integer i = 0;
  if (lua_type(L, 2) == LUA_TNUMBER)
    i = lua_tointegerx(L, 2, &ok);
  if (!ok)
    return set_field(L, c);
  int64_t at = place_of(c, i);
  if (at < 0)
    return raise_outside(L, c, i);
  union mp_cell v = mp_cell_check(L, 3, t);
  int taken = mp_cells_enter(L, c);
  mp_cell_store(t, mp_cells_at(c, (uint64_t)at), v);
  mp_cells_leave(c, taken);
  return 0;
}

static int array_len(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check(L)->length);
  return 1;
}

/* --- one element, atomically ---------------------------------------------- */

static uint64_t check_at(lua_State *L, struct mp_cells *c) {
  lua_Integer i = luaL_checkinteger(L, 2);
  int64_t at = place_of(c, i);
  if (at < 0)
    raise_outside(L, c, i);
  return (uint64_t)at;
}

static int array_add(lua_State *L) {
  struct mp_cells *c = check(L);
  return mp_cells_add(L, c, check_at(L, c), 3);
}

static int array_cas(lua_State *L) {
  struct mp_cells *c = check(L);
  return mp_cells_cas(L, c, check_at(L, c), 3);
}

static int array_update(lua_State *L) {
  struct mp_cells *c = check(L);
  return mp_cells_update(L, c, check_at(L, c), 3);
}

/* --- the lock ------------------------------------------------------------- */

static int array_get_lock(lua_State *L) {
  return mp_cells_get_lock(L, mp_handle_check(L, 1, &kind));
}

static struct mp_lock *check_lock(lua_State *L) {
  struct mp_cells *c = mp_handle_check(L, 1, &kind)->body;
  return mp_cells_lock(mp_arena_if_any(), c);
}

static int array_acquire(lua_State *L) {
  return mp_push_acquire(L, check_lock(L), mp_block_deadline(L, 2));
}

static int array_release(lua_State *L) {
  return mp_do_release(L, check_lock(L), "Array's lock");
}

static int array_locked(lua_State *L) {
  lua_pushboolean(L, mp_lock_is_held(check_lock(L)));
  return 1;
}

/* --- constructor ---------------------------------------------------------- */

static uint64_t initial_length(lua_State *L, int type) {
  if (lua_type(L, 2) == LUA_TNUMBER) {
    lua_Integer n = luaL_checkinteger(L, 2);
    luaL_argcheck(L, n >= 0, 2, "size of 0 or more expected");
    return (uint64_t)n;
  }
  if (mp_type_at(type)->class == MP_CHAR && lua_type(L, 2) == LUA_TSTRING)
    return lua_rawlen(L, 2);
  luaL_checktype(L, 2, LUA_TTABLE);
  return list_length(L, 2);
}

/* array(typecode, size or list or string, lock) */
static int new_array(lua_State *L) {
  int type = mp_type_check(L, 1);
  lua_settop(L, 3);
  uint64_t length = initial_length(L, type);
  int has_values = lua_type(L, 2) != LUA_TNUMBER;
  struct mp_cells *c = mp_cells_new(L, &kind, &raw, type, length, 3);
  lua_replace(L, 1);
  lua_pushnil(L);
  lua_replace(L, 3); /* where to begin */
  uint8_t flags = c->flags;
  c->flags |= MP_CELLS_RAW; /* nobody else knows it yet */
  if (has_values)
    set_from(L, c, 2);
  c->flags = flags;
  lua_settop(L, 1);
  return 1;
}

#define ELEMENTS                                                          \
  {"slice", array_slice}, {"totable", array_totable}, {"set", array_set}, \
      {"fill", array_fill}, {"add", array_add}, {"cas", array_cas}

static const luaL_Reg methods[] = {ELEMENTS,
                                   {"update", array_update},
                                   {"get_lock", array_get_lock},
                                   {"acquire", array_acquire},
                                   {"release", array_release},
                                   {"locked", array_locked},
                                   {NULL, NULL}};

static const luaL_Reg raw_methods[] = {ELEMENTS, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__newindex", array_newindex},
                                {"__len", array_len},
                                {NULL, NULL}};

static const luaL_Reg functions[] = {{"array", new_array}, {NULL, NULL}};

/* stack: module */
static void set_index(lua_State *L, const char *class, const char *name) {
  luaL_getmetatable(L, name);
  lua_pushvalue(L, -1);
  lua_getfield(L, -3, class);
  lua_pushcclosure(L, array_index, 2);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

void mp_add_array(lua_State *L) {
  mp_sync_class(L, "Array", &kind, &ref, methods, meta);
  set_index(L, "Array", kind.name);
  mp_sync_class(L, "RawArray", &raw, &ref, raw_methods, meta);
  set_index(L, "RawArray", raw.name);
  luaL_setfuncs(L, functions, 0);
}
