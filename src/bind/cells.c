/*
** cells.c: what the bindings of Value and Array share
** MIT licence, see LICENSE
**
** Arguments are checked before the lock is taken and results pushed after it is
** left, so nothing is raised in between; `update` runs its function protected.
*/

#include "bind/cells.h"

#include <errno.h>
#include <math.h>

#include "bind/core.h"

/* --- Lua values and cells ------------------------------------------------- */

static int raise_misfit(lua_State *L, int index, const struct mp_type *t) {
  const char *v =
      lua_isnone(L, index) ? "no value" : luaL_tolstring(L, index, NULL);
  switch (t->class) {
  case MP_CHAR:
    return luaL_error(L, "'%s' does not fit type 'c' (a string of one byte)",
                      v);
  case MP_FLOAT:
    return luaL_error(L, "'%s' does not fit type '%c' (a number%s)", v, t->code,
                      t->width == 4 ? " of at most 3.4e38" : "");
  default:
    return luaL_error(L, "'%s' does not fit type '%c' (an integer from %I to %I)",
                      v, t->code, (LUAI_UACINT)t->min, (LUAI_UACINT)t->max);
  }
}

static int to_char(lua_State *L, int index, union mp_cell *out) {
  size_t len;
  if (lua_type(L, index) != LUA_TSTRING)
    return 0;
  const char *s = lua_tolstring(L, index, &len);
  if (len != 1)
    return 0;
  out->i = (unsigned char)*s;
  return 1;
}

static int to_float(lua_State *L, int index, const struct mp_type *t,
                    union mp_cell *out) {
  double d = (double)lua_tonumber(L, index);
  if (lua_type(L, index) != LUA_TNUMBER ||
      (t->width == 4 && isfinite(d) && !isfinite((float)d)))
    return 0;
  out->d = t->width == 4 ? (double)(float)d : d;
  return 1;
}

static int to_cell(lua_State *L, int index, const struct mp_type *t,
                   union mp_cell *out) {
  int ok;
  if (t->class == MP_FLOAT)
    return to_float(L, index, t, out);
  if (t->class == MP_CHAR)
    return to_char(L, index, out);
  out->i = lua_tointegerx(L, index, &ok);
  return ok && lua_type(L, index) == LUA_TNUMBER && mp_cell_fits(t, out->i);
}

union mp_cell mp_cell_check_any(lua_State *L, int index,
                                const struct mp_type *t) {
  union mp_cell v;
  if (!to_cell(L, index, t, &v))
    raise_misfit(L, index, t);
  return v;
}

int mp_cell_equals(lua_State *L, int index, const struct mp_type *t,
                   union mp_cell *out) {
  if (t->class == MP_FLOAT && lua_type(L, index) == LUA_TNUMBER) {
    out->d = (double)lua_tonumber(L, index);
    return 1;
  }
  return to_cell(L, index, t, out);
}

void mp_cell_push(lua_State *L, const struct mp_type *t, union mp_cell v) {
  char byte = (char)v.i;
  if (t->class == MP_FLOAT)
    lua_pushnumber(L, (lua_Number)v.d);
  else if (t->class == MP_CHAR)
    lua_pushlstring(L, &byte, 1);
  else
    lua_pushinteger(L, (lua_Integer)v.i);
}

/* --- the lock ------------------------------------------------------------- */

int mp_cells_take(lua_State *L, struct mp_cells *c) {
  struct mp_arena *a = mp_arena_if_any();
  int rc;
  do
    rc = mp_lock_enter(a, mp_cells_lock(a, c));
  while (rc == -EINTR && mp_interrupt_check(L));
  if (rc < 0)
    mp_raise_code(L, rc, "cannot take the value's lock");
  return rc == 0;
}

/* Attached once, then kept with the handle. */
int mp_cells_get_lock(lua_State *L, struct mp_handle *h) {
  struct mp_cells *c = h->body;
  lua_settop(L, 1);
  if (lua_getiuservalue(L, 1, 1) != LUA_TNIL)
    return 1;
  mp_push_lock(L, c->other != 0 ? c->other : h->off);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, 1);
  return 1;
}

/* --- one cell ------------------------------------------------------------- */

static int raise_sum(lua_State *L, const struct mp_type *t, int arg) {
  return luaL_error(L, "the sum with '%s' does not fit type '%c'",
                    luaL_tolstring(L, arg, NULL), t->code);
}

/* A difference may be negative where the type is not, so it is checked as a
** 64-bit integer, or as a number. */
static union mp_cell check_difference(lua_State *L, int arg,
                                      const struct mp_type *t) {
  union mp_cell n;
  if (t->class <= MP_UINT && lua_isinteger(L, arg))
    return (union mp_cell){.i = lua_tointeger(L, arg)};
  luaL_argcheck(L, t->class != MP_CHAR, arg, "type 'c' has no sums");
  luaL_checktype(L, arg, LUA_TNUMBER);
  if (t->class == MP_FLOAT)
    n.d = (double)lua_tonumber(L, arg);
  else
    n.i = luaL_checkinteger(L, arg);
  return n;
}

int mp_cells_add(lua_State *L, struct mp_cells *c, uint64_t i, int arg) {
  const struct mp_type *t = mp_cells_type(c);
  union mp_cell n = check_difference(L, arg, t), sum = {.i = 0};
  void *place = mp_cells_at(c, i);
  int rc;
  if (c->flags & MP_CELLS_RAW) {
    rc = mp_cell_add(t, place, n, &sum);
  } else {
    int taken = mp_cells_enter(L, c);
    rc = mp_cell_sum(t, mp_cell_load(t, place), n, &sum);
    if (rc == 0)
      mp_cell_store(t, place, sum);
    mp_cells_leave(c, taken);
  }
  if (rc < 0)
    return raise_sum(L, t, arg);
  mp_cell_push(L, t, sum);
  return 1;
}

int mp_cells_cas(lua_State *L, struct mp_cells *c, uint64_t i, int arg) {
  const struct mp_type *t = mp_cells_type(c);
  union mp_cell old, new = mp_cell_check(L, arg + 1, t);
  void *place = mp_cells_at(c, i);
  int done = 0;
  luaL_checkany(L, arg);
  if (mp_cell_equals(L, arg, t, &old)) {
    int taken = mp_cells_enter(L, c);
    done = mp_cell_cas(t, place, old, new);
    mp_cells_leave(c, taken);
  }
  lua_pushboolean(L, done);
  return 1;
}

/* stack: f, cells, place -> the new value, true if it fits: it is stored then;
** the lock is held */
static int run_update(lua_State *L) {
  struct mp_cells *c = lua_touserdata(L, 2);
  void *place = lua_touserdata(L, 3);
  const struct mp_type *t = mp_cells_type(c);
  union mp_cell v;
  lua_settop(L, 1);
  mp_cell_push(L, t, mp_cell_load(t, place));
  lua_call(L, 1, 1);
  if (!to_cell(L, 1, t, &v))
    return 1;
  mp_cell_store(t, place, v);
  mp_cell_push(L, t, v);
  lua_pushboolean(L, 1);
  return 2;
}

int mp_cells_update(lua_State *L, struct mp_cells *c, uint64_t i, int arg) {
  const struct mp_type *t = mp_cells_type(c);
  mp_callable_check(L, arg);
  luaL_checkstack(L, 4, NULL);
  int taken = mp_cells_enter(L, c);
  lua_pushcfunction(L, run_update);
  lua_pushvalue(L, arg);
  lua_pushlightuserdata(L, c);
  lua_pushlightuserdata(L, mp_cells_at(c, i));
  int status = lua_pcall(L, 3, 2, 0);
  mp_cells_leave(c, taken);
  if (status != LUA_OK)
    return lua_error(L);
  if (!lua_toboolean(L, -1))
    return raise_misfit(L, -2, t);
  lua_pop(L, 1);
  return 1;
}

/* --- constructors --------------------------------------------------------- */

int mp_type_check(lua_State *L, int arg) {
  size_t len;
  const char *s = luaL_checklstring(L, arg, &len);
  int type = len == 1 ? mp_type_index(*s) : -1;
  luaL_argcheck(L, type >= 0, arg, "one of the type codes cbBhHiIlLqQfd");
  return type;
}

struct mp_cells *mp_cells_new(lua_State *L, const struct mp_kind *kind,
                              const struct mp_kind *raw, int type,
                              uint64_t length, int lock) {
  int is_raw = lua_isboolean(L, lock) && !lua_toboolean(L, lock);
  int own = lua_isnoneornil(L, lock) || lua_isboolean(L, lock);
  mp_off other = own ? 0 : mp_lock_arg(L, lock);
  size_t size = mp_cells_size(type, length, other != 0);
  if (size == 0)
    luaL_error(L, "not enough memory");
  struct mp_handle *h = mp_handle_create(L, is_raw ? raw : kind, size);
  int rc = mp_cells_init(mp_arena_if_any(), h->body, type, length,
                         is_raw ? MP_CELLS_RAW : 0, other);
  if (rc < 0)
    mp_raise_code(L, rc, kind->name);
  return h->body;
}
