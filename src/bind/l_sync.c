/*
** l_sync.c: the things that processes wait on, as Lua sees them: what is shared
** MIT licence, see LICENSE
**
** The Lua half (sync.lua) has the constructors' options, `hold` and `with`, and
** the documentation of each method.
*/

#include "bind/sync.h"

#include <errno.h>

#include "base/code.h"
#include "bind/core.h"
#include "bind/modules.h"
#include "os/clock.h"
#include "store/cells.h"
#include "sync/barrier.h"
#include "sync/bounded.h"
#include "sync/condition.h"

void mp_sync_setup(void) {
  mp_bounded_setup();
  mp_condition_setup();
  mp_barrier_setup();
  mp_cells_setup();
}

int64_t mp_block_deadline(lua_State *L, int arg) {
  return lua_gettop(L) < arg ? MP_FOREVER : mp_opt_block(L, arg);
}

int mp_push_acquire(lua_State *L, struct mp_lock *l, int64_t deadline) {
  struct mp_arena *a = mp_arena_if_any();
  int rc;
  do
    rc = mp_lock_acquire(a, l, deadline);
  while (rc == -EINTR && mp_interrupt_check(L));
  if (rc < 0 && rc != -ETIMEDOUT)
    return mp_raise_code(L, rc, "acquire");
  lua_pushboolean(L, rc >= 0);
  if (rc != 1)
    return 1;
  lua_pushliteral(L, "abandoned");
  return 2;
}

int mp_do_release(lua_State *L, struct mp_lock *l, const char *what) {
  int rc = mp_lock_release(mp_arena_if_any(), l);
  if (rc == MP_ENOTOWNER)
    return luaL_error(L, "cannot release this %s: %s", what,
                      l->head.type == MP_T_LOCK
                          ? "nobody holds it"
                          : "this process does not hold it");
  return 0;
}

void mp_sync_class(lua_State *L, const char *name, const struct mp_kind *kind,
                   const struct mp_ref_type *ref, const luaL_Reg *methods,
                   const luaL_Reg *meta) {
  mp_handle_class(L, kind, ref, methods, meta);
  lua_getfield(L, -1, "__index");
  lua_setfield(L, -3, name);
  lua_pop(L, 1);
}

int mp_open_sync(lua_State *L) {
  mp_sync_setup();
  lua_newtable(L);
  mp_add_locks(L);
  mp_add_semaphores(L);
  mp_add_event(L);
  mp_add_condition(L);
  mp_add_barrier(L);
  return 1;
}
