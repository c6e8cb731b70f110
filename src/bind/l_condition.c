/*
** l_condition.c: Condition as Lua sees it
** MIT licence, see LICENSE
**
** A wait holds a seat and has let the lock go, so whatever Lua raises
** meanwhile ("interrupted!") is caught, the seat left and the lock taken again
** before it goes on: what encloses the wait finds the lock held.
*/

#include <errno.h>
#include <limits.h>

#include "base/code.h"
#include "bind/core.h"
#include "bind/sync.h"
#include "sync/condition.h"

static const struct mp_kind kind = {.name = "multiprocessing.Condition",
                                    .type = MP_T_CONDITION};

static void condition_push(lua_State *L, mp_off off) {
  mp_handle_push(L, &kind, off);
}

static const struct mp_ref_type ref = {
    .id = MP_T_CONDITION, .place = mp_handle_place, .push = condition_push};

static struct mp_condition *check(lua_State *L) {
  return mp_handle_check(L, 1, &kind)->body;
}

static struct mp_lock *check_lock(lua_State *L) {
  return mp_condition_lock(mp_arena_if_any(), check(L));
}

static int raise(lua_State *L, int rc, const char *method) {
  if (rc == MP_ENOTOWNER)
    return luaL_error(L, "cannot %s: this process does not hold the "
                         "Condition's lock; acquire it first", method);
  return mp_raise_code(L, rc, "Condition");
}

/* --- the lock's methods --------------------------------------------------- */

static int condition_acquire(lua_State *L) {
  return mp_push_acquire(L, check_lock(L), mp_block_deadline(L, 2));
}

static int condition_release(lua_State *L) {
  return mp_do_release(L, check_lock(L), "Condition's lock");
}

static int condition_locked(lua_State *L) {
  lua_pushboolean(L, mp_lock_is_held(check_lock(L)));
  return 1;
}

/* --- wait ----------------------------------------------------------------- */

static int run_interrupt(lua_State *L) {
  mp_interrupt_check(L);
  return 0;
}

/* 0: go on; else the error is on the stack. */
static int interrupt_caught(lua_State *L) {
  lua_pushcfunction(L, run_interrupt);
  return lua_pcall(L, 0, 0, 0);
}

/* Takes the lock again however long it takes; another Ctrl-C ends that. */
static int relock(lua_State *L, struct mp_condition *c,
                  const struct mp_cond_wait *w) {
  int rc;
  do
    rc = mp_condition_relock(mp_arena_if_any(), c, w);
  while (rc == -EINTR && mp_interrupt_check(L));
  return rc < 0 ? raise(L, rc, "wait") : rc;
}

static int condition_wait(lua_State *L) {
  struct mp_condition *c = check(L);
  int64_t deadline = mp_opt_deadline(L, 2);
  struct mp_cond_wait w;
  int status = LUA_OK;
  luaL_checkstack(L, 4, NULL);
  int rc = mp_condition_begin(mp_arena_if_any(), c, &w);
  if (rc < 0)
    return raise(L, rc, "wait");
  do
    rc = mp_condition_sleep(&w, deadline);
  while (rc == -EINTR && (status = interrupt_caught(L)) == LUA_OK);
  int called = mp_condition_end(&w);
  int abandoned = relock(L, c, &w);
  if (status != LUA_OK)
    return lua_error(L);
  lua_pushboolean(L, called);
  if (!abandoned)
    return 1;
  lua_pushliteral(L, "abandoned");
  return 2;
}

static int notify(lua_State *L, struct mp_condition *c, int n) {
  int rc = mp_condition_notify(mp_arena_if_any(), c, n);
  return rc < 0 ? raise(L, rc, "notify") : 0;
}

static int condition_notify(lua_State *L) {
  struct mp_condition *c = check(L);
  lua_Integer n = luaL_optinteger(L, 2, 1);
  luaL_argcheck(L, n >= 0, 2, "0 or more expected");
  return notify(L, c, n > INT_MAX ? INT_MAX : (int)n);
}

/* is_mine(condition): does this process hold its lock? */
static int is_mine(lua_State *L) {
  lua_pushboolean(L, mp_lock_is_mine(mp_arena_if_any(), check_lock(L)));
  return 1;
}

static int condition_notify_all(lua_State *L) {
  return notify(L, check(L), INT_MAX);
}

/* condition(lock or nil) */
static int new_condition(lua_State *L) {
  mp_off other = lua_isnoneornil(L, 1) ? 0 : mp_lock_arg(L, 1);
  struct mp_handle *h =
      mp_handle_create(L, &kind, sizeof(struct mp_condition));
  int rc = mp_condition_init(mp_arena_if_any(), h->body, other);
  return rc < 0 ? raise(L, rc, "create") : 1;
}

static const luaL_Reg methods[] = {{"acquire", condition_acquire},
                                   {"release", condition_release},
                                   {"locked", condition_locked},
                                   {"wait", condition_wait},
                                   {"notify", condition_notify},
                                   {"notify_all", condition_notify_all},
                                   {NULL, NULL}};

static const luaL_Reg functions[] = {{"condition", new_condition},
                                     {"condition_is_mine", is_mine},
                                     {NULL, NULL}};

void mp_add_condition(lua_State *L) {
  mp_sync_class(L, "Condition", &kind, &ref, methods, NULL);
  luaL_setfuncs(L, functions, 0);
}
