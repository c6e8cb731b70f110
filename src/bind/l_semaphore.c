/*
** l_semaphore.c: Semaphore and BoundedSemaphore as Lua sees them
** MIT licence, see LICENSE
*/

#include <errno.h>

#include "bind/core.h"
#include "bind/sync.h"
#include "sync/bounded.h"
#include "sync/semaphore.h"

static const struct mp_kind kind = {.name = "multiprocessing.Semaphore",
                                    .type = MP_T_SEMAPHORE};
static const struct mp_kind bkind = {.name = "multiprocessing.BoundedSemaphore",
                                     .type = MP_T_BOUNDED};

static void semaphore_push(lua_State *L, mp_off off) {
  mp_handle_push(L, &kind, off);
}

static void bounded_push(lua_State *L, mp_off off) {
  mp_handle_push(L, &bkind, off);
}

static const struct mp_ref_type ref = {
    .id = MP_T_SEMAPHORE, .place = mp_handle_place, .push = semaphore_push};
static const struct mp_ref_type bref = {
    .id = MP_T_BOUNDED, .place = mp_handle_place, .push = bounded_push};

static int push_taken(lua_State *L, int rc, const char *what) {
  if (rc < 0 && rc != -ETIMEDOUT)
    return mp_raise_code(L, rc, what);
  lua_pushboolean(L, rc == 0);
  return 1;
}

/* --- Semaphore ------------------------------------------------------------ */

static struct mp_sem *check(lua_State *L) {
  return mp_handle_check(L, 1, &kind)->body;
}

static int semaphore_acquire(lua_State *L) {
  struct mp_sem *s = check(L);
  int64_t deadline = mp_block_deadline(L, 2);
  int rc;
  do
    rc = mp_sem_acquire(s, deadline);
  while (rc == -EINTR && mp_interrupt_check(L));
  return push_taken(L, rc, "Semaphore:acquire");
}

static int semaphore_release(lua_State *L) {
  if (mp_sem_release(check(L)) < 0)
    return luaL_error(L, "cannot release this Semaphore: it has %I units, "
                         "the most there can be", (LUAI_UACINT)MP_SEM_MAX);
  return 0;
}

static int semaphore_get_value(lua_State *L) {
  lua_pushinteger(L, mp_sem_value(check(L)));
  return 1;
}

static int semaphore_locked(lua_State *L) {
  lua_pushboolean(L, mp_sem_value(check(L)) == 0);
  return 1;
}

/* --- BoundedSemaphore ----------------------------------------------------- */

static struct mp_bounded *bcheck(lua_State *L) {
  return mp_handle_check(L, 1, &bkind)->body;
}

static int bounded_acquire(lua_State *L) {
  struct mp_bounded *b = bcheck(L);
  int64_t deadline = mp_block_deadline(L, 2);
  int rc;
  do
    rc = mp_bounded_acquire(mp_arena_if_any(), b, deadline);
  while (rc == -EINTR && mp_interrupt_check(L));
  return push_taken(L, rc, "BoundedSemaphore:acquire");
}

static int bounded_release(lua_State *L) {
  struct mp_bounded *b = bcheck(L);
  int rc = mp_bounded_release(mp_arena_if_any(), b);
  if (rc == -EOVERFLOW)
    return luaL_error(L, "cannot release this BoundedSemaphore: all of its "
                         "units (%d) are free", (int)b->bound);
  return rc < 0 ? mp_raise_code(L, rc, "BoundedSemaphore:release") : 0;
}

static lua_Integer bounded_value(lua_State *L) {
  int64_t n = mp_bounded_value(mp_arena_if_any(), bcheck(L));
  if (n < 0)
    mp_raise_code(L, (int)n, "BoundedSemaphore");
  return (lua_Integer)n;
}

static int bounded_get_value(lua_State *L) {
  lua_pushinteger(L, bounded_value(L));
  return 1;
}

static int bounded_locked(lua_State *L) {
  lua_pushboolean(L, bounded_value(L) == 0);
  return 1;
}

/* --- constructors --------------------------------------------------------- */

static uint32_t check_value(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  luaL_argcheck(L, n >= 0 && n <= (lua_Integer)MP_SEM_MAX, 1,
                "0..2147483647 expected");
  return (uint32_t)n;
}

static int new_semaphore(lua_State *L) {
  uint32_t value = check_value(L);
  struct mp_sem *s =
      mp_handle_create(L, &kind, sizeof(struct mp_sem))->body;
  atomic_store(&s->word, value);
  return 1;
}

static int new_bounded(lua_State *L) {
  uint32_t value = check_value(L);
  struct mp_handle *h =
      mp_handle_create(L, &bkind, sizeof(struct mp_bounded));
  int rc = mp_bounded_init(h->body, value);
  return rc < 0 ? mp_raise_code(L, rc, "BoundedSemaphore") : 1;
}

static const luaL_Reg methods[] = {{"acquire", semaphore_acquire},
                                   {"release", semaphore_release},
                                   {"get_value", semaphore_get_value},
                                   {"locked", semaphore_locked},
                                   {NULL, NULL}};

static const luaL_Reg bmethods[] = {{"acquire", bounded_acquire},
                                    {"release", bounded_release},
                                    {"get_value", bounded_get_value},
                                    {"locked", bounded_locked},
                                    {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"semaphore", new_semaphore}, {"bounded", new_bounded}, {NULL, NULL}};

void mp_add_semaphores(lua_State *L) {
  mp_sync_class(L, "Semaphore", &kind, &ref, methods, NULL);
  mp_sync_class(L, "BoundedSemaphore", &bkind, &bref, bmethods, NULL);
  luaL_setfuncs(L, functions, 0);
}
