/*
** pool_crash_test.c: a pool, killed at every instruction that mattered
** MIT licence, see LICENSE
**
** A worker may die anywhere: each item is answered once or was the one that
** it ran.  The owner may die anywhere: all of the pool's memory is freed.
*/

#include <errno.h>

#include "base/code.h"
#include "crash.h"
#include "pool_helper.h"

struct ctx {
  mp_off pool;
  uint32_t handle;
  uint64_t without, empty; /* blocks: no pool; a pool with nothing in it */
  uint32_t chunk, most;
};

static uint64_t blocks_of(struct mp_arena *a) {
  struct mp_arena_stats st;
  mp_arena_stats(a, &st);
  return st.blocks;
}

static int setup(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  c->without = blocks_of(a);
  int rc = pool_make(a, &c->pool, &c->handle);
  c->empty = blocks_of(a);
  if (rc == 0)
    rc = pool_stage(a, c->pool, 0, POOL_ITEMS / 2, c->chunk);
  if (rc == 0)
    rc = pool_stage(a, c->pool, POOL_ITEMS / 2, POOL_ITEMS / 2, c->chunk);
  return rc == 0 ? mp_pool_submit(a, mp_at(a, c->pool)) : rc;
}

static const char *count_is(struct mp_arena *a, uint64_t wanted) {
  static char why[80];
  uint64_t n = blocks_of(a);
  if (n == wanted)
    return NULL;
  snprintf(why, sizeof why, "%lld blocks too many",
           (long long)n - (long long)wanted);
  return why;
}

/* The owner was the only one that referred to the pool. */
static const char *all_freed(struct mp_arena *a, void *p) {
  return count_is(a, ((const struct ctx *)p)->without);
}

/* --- a worker dies --- */

static int work(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  return pool_work(a, c->pool, 0, 4, c->most);
}

/* another worker does what is left */
static const char *survives(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  struct pool_tally t;
  memset(&t, 0, sizeof t);
  const char *why = pool_bury(a, c->pool, 0, &t);
  if (why == NULL && pool_work(a, c->pool, 1, 4, UINT32_MAX) < 0)
    why = "the other worker cannot go on";
  if (why == NULL)
    why = pool_read(a, c->pool, &t);
  if (why == NULL)
    why = pool_bury(a, c->pool, 1, &t); /* with the block it had ready */
  if (why == NULL)
    why = pool_exactly_once(&t, POOL_ITEMS);
  struct mp_pool *pool = mp_at(a, c->pool);
  if (why == NULL && (pool->pending != 0 || pool->first != 0))
    why = "the line is not empty";
  if (why == NULL && pool->spinners + pool->sleepers > 1)
    why = "the dead worker is counted as idle";
  return why != NULL ? why : count_is(a, c->empty + pool->nspares);
}

/* --- the owner dies --- */

static int submit(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  struct mp_pool *pool = mp_at(a, c->pool);
  mp_off f;
  int rc = mp_pool_function_add(a, pool, 64, NULL, 0, 1, &f);
  if (rc == 0)
    rc = pool_stage(a, c->pool, POOL_ITEMS, 3, 0);
  if (rc == 0)
    rc = mp_pool_submit(a, pool);
  if (rc == 0)
    rc = pool_stage(a, c->pool, POOL_ITEMS + 3, 3, 0);
  if (rc == 0)
    mp_pool_unstage(a, pool);
  return rc == 0 ? mp_pool_function_drop(a, pool, f) : rc;
}

static int withdraw(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  uint64_t n;
  return mp_pool_withdraw(a, mp_at(a, c->pool), 1, &n);
}

static int setup_done(struct mp_arena *a, void *p) {
  int rc = setup(a, p);
  return rc == 0 ? work(a, p) : rc;
}

static int read_all(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  struct pool_tally t;
  memset(&t, 0, sizeof t);
  return pool_read(a, c->pool, &t) == NULL ? 0 : -1;
}

/* a worker that has taken three items and answered one */
static int setup_wreck(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  struct mp_pool_worker w;
  int rc = setup(a, p);
  mp_pool_sit(&w, a, mp_at(a, c->pool), 0, -1);
  if (rc < 0 || mp_pool_take(&w, 3) != 1 || pool_answer(&w, 0) < 0)
    return -1;
  mp_pool_begin(&w, 1);
  return 0;
}

static int bury(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  struct pool_tally t;
  memset(&t, 0, sizeof t);
  return pool_bury(a, c->pool, 0, &t) == NULL ? 0 : -1;
}

/* the child is left as the only one that refers to the pool */
static int let_go(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  mp_object_detach(a, c->handle);
  return 0;
}

int main(void) {
  struct ctx as_wanted = {.most = UINT32_MAX}, chunks = {.chunk = 2,
    .most = UINT32_MAX}, gives_back = {.chunk = 4, .most = 3};
  struct ctx owner = {.chunk = 3, .most = UINT32_MAX};
  const struct crash_case cases[] = {
    {"worker, as it sees fit", setup, work, survives, &as_wanted, NULL},
    {"worker, chunks of two", setup, work, survives, &chunks, NULL},
    {"worker, gives back", setup, work, survives, &gives_back, NULL},
    {"owner submits", setup, submit, all_freed, &owner, let_go},
    {"owner withdraws", setup, withdraw, all_freed, &owner, let_go},
    {"owner reads", setup_done, read_all, all_freed, &owner, let_go},
    {"owner buries a worker", setup_wreck, bury, all_freed, &owner, let_go},
    {"destroy", setup_wreck, let_go, all_freed, &owner, let_go},
  };
  int n = (int)(sizeof cases / sizeof *cases), good = 0;
  for (int i = 0; i < n; i++)
    good += crash_points(&cases[i]) == 0;
  printf("%ld points\n%d passed, %d failed\n", crash_total.points, good,
         n - good);
  return good != n;
}
