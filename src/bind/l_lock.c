/*
** l_lock.c: Lock and RLock as Lua sees them
** MIT licence, see LICENSE
**
** A handle of class RLock may also stand for the lock that another object
** carries: then its place is that object's.
*/

#include "bind/core.h"
#include "bind/sync.h"

static const struct mp_kind kind = {.name = "multiprocessing.Lock",
                                    .type = MP_T_LOCK};

/* One class, whatever carries the lock: the kinds share the name. */
static const char rlock_name[] = "multiprocessing.RLock";
static const struct mp_kind rkinds[] = {
    {.name = rlock_name, .type = MP_T_RLOCK},
    {.name = rlock_name, .type = MP_T_VALUE},
    {.name = rlock_name, .type = MP_T_ARRAY},
    {.name = rlock_name, .type = MP_T_CONDITION},
};
enum { RKINDS = sizeof rkinds / sizeof *rkinds };

static void lock_push(lua_State *L, mp_off off) {
  mp_handle_push(L, &kind, off);
}

static const struct mp_kind *rkind_at(mp_off off) {
  struct mp_arena *a = mp_arena_if_any();
  int i = 0;
  while (i < RKINDS - 1 && !mp_object_is(a, off, rkinds[i].type))
    i++;
  return &rkinds[i];
}

static void rlock_push(lua_State *L, mp_off off) {
  mp_core_arena(L);
  mp_handle_push(L, rkind_at(off), off);
}

static const struct mp_ref_type ref = {
    .id = MP_T_LOCK, .place = mp_handle_place, .push = lock_push};
static const struct mp_ref_type rref = {
    .id = MP_T_RLOCK, .place = mp_handle_place, .push = rlock_push};

void mp_push_lock(lua_State *L, mp_off off) {
  if (mp_object_is(mp_arena_if_any(), off, MP_T_LOCK))
    lock_push(L, off);
  else
    rlock_push(L, off);
}

mp_off mp_lock_arg(lua_State *L, int arg) {
  struct mp_handle *h = mp_handle_test(L, arg, &kind);
  if (h == NULL)
    h = mp_handle_test(L, arg, &rkinds[0]);
  if (h == NULL)
    luaL_typeerror(L, arg, "Lock or RLock");
  return h->off;
}

/* --- methods -------------------------------------------------------------- */

static int acquire(lua_State *L, struct mp_lock *l) {
  return mp_push_acquire(L, l, mp_block_deadline(L, 2));
}

static int lock_acquire(lua_State *L) {
  return acquire(L, mp_handle_check(L, 1, &kind)->body);
}

static int lock_release(lua_State *L) {
  return mp_do_release(L, mp_handle_check(L, 1, &kind)->body, "Lock");
}

static int lock_locked(lua_State *L) {
  struct mp_handle *h = mp_handle_check(L, 1, &kind);
  lua_pushboolean(L, mp_lock_is_held(h->body));
  return 1;
}

static int rlock_acquire(lua_State *L) {
  return acquire(L, mp_handle_check(L, 1, &rkinds[0])->body);
}

static int rlock_release(lua_State *L) {
  return mp_do_release(L, mp_handle_check(L, 1, &rkinds[0])->body, "RLock");
}

static int rlock_locked(lua_State *L) {
  struct mp_handle *h = mp_handle_check(L, 1, &rkinds[0]);
  lua_pushboolean(L, mp_lock_is_held(h->body));
  return 1;
}

static int new_lock(lua_State *L) {
  mp_handle_create(L, &kind, sizeof(struct mp_lock));
  return 1;
}

static int new_rlock(lua_State *L) {
  mp_handle_create(L, &rkinds[0], sizeof(struct mp_lock));
  return 1;
}

static const luaL_Reg methods[] = {{"acquire", lock_acquire},
                                   {"release", lock_release},
                                   {"locked", lock_locked},
                                   {NULL, NULL}};

static const luaL_Reg rmethods[] = {{"acquire", rlock_acquire},
                                    {"release", rlock_release},
                                    {"locked", rlock_locked},
                                    {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"lock", new_lock}, {"rlock", new_rlock}, {NULL, NULL}};

void mp_add_locks(lua_State *L) {
  mp_sync_class(L, "Lock", &kind, &ref, methods, NULL);
  mp_sync_class(L, "RLock", &rkinds[0], &rref, rmethods, NULL);
  luaL_setfuncs(L, functions, 0);
}
