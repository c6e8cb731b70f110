/*
** cells.h: what the bindings of Value and Array share
** MIT licence, see LICENSE
*/

#ifndef MP_BIND_CELLS_H
#define MP_BIND_CELLS_H

#include "bind/sync.h"
#include "store/cells.h"

/*
** The value at stack[index] as a cell of type t, or an error: a string (at the
** caller's line) that says what the type holds.  "integers from integers and
** integral floats only".
*/
union mp_cell mp_cell_check_any(lua_State *L, int index,
                                const struct mp_type *t);
static inline union mp_cell mp_cell_check(lua_State *L, int index,
                                          const struct mp_type *t) {
  if (t->class == MP_INT && t->width == 8 && lua_isinteger(L, index))
    return (union mp_cell){.i = lua_tointeger(L, index)};
  return mp_cell_check_any(L, index, t);
}
/* The same for comparison: 0 when no cell of that type equals it. */
int mp_cell_equals(lua_State *L, int index, const struct mp_type *t,
                   union mp_cell *out);
void mp_cell_push(lua_State *L, const struct mp_type *t, union mp_cell v);

/* The lock of c, for an access.  Nonzero: it was taken, mp_cells_leave. */
int mp_cells_take(lua_State *L, struct mp_cells *c);
static inline int mp_cells_enter(lua_State *L, struct mp_cells *c) {
  return c->flags & MP_CELLS_RAW ? 0 : mp_cells_take(L, c);
}
static inline void mp_cells_leave(struct mp_cells *c, int taken) {
  if (taken)
    mp_lock_leave(mp_cells_lock(mp_arena_if_any(), c));
}

/* What Value and Array do with one cell; the arguments begin at stack[arg].
** Each pushes its result and returns 1. */
int mp_cells_add(lua_State *L, struct mp_cells *c, uint64_t i, int arg);
int mp_cells_cas(lua_State *L, struct mp_cells *c, uint64_t i, int arg);
int mp_cells_update(lua_State *L, struct mp_cells *c, uint64_t i, int arg);

/* Creates a Value or an Array; the lock is at stack[lock]: nil or true, false
** (raw), or a lock of the user's.  Pushes it. */
struct mp_cells *mp_cells_new(lua_State *L, const struct mp_kind *kind,
                              const struct mp_kind *raw, int type,
                              uint64_t length, int lock);
/* The type whose code is at stack[arg]. */
int mp_type_check(lua_State *L, int arg);

/* get_lock, acquire, release, locked. */
int mp_cells_get_lock(lua_State *L, struct mp_handle *h);

void mp_add_value(lua_State *L);
void mp_add_array(lua_State *L);
void mp_add_memory(lua_State *L); /* l_memory.c */

#endif
