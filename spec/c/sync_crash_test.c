/*
** sync_crash_test.c: locks, semaphores, events, conditions, barriers and
** values, killed at every instruction that mattered; alone and in pairs
** MIT licence, see LICENSE
*/

#include <limits.h>

#include "base/code.h"
#include "crash_pair.h"
#include "os/clock.h"
#include "store/cells.h"
#include "sync/barrier.h"
#include "sync/bounded.h"
#include "sync/condition.h"
#include "sync/event.h"
#include "sync/semaphore.h"

struct ctx {
  mp_off off, other;
  uint32_t handle, handle2;
  pid_t sitter; /* a live process that waits in the object */
};

static int64_t soon(void) {
  return mp_now() + 500 * MP_MS;
}

static void *body(struct mp_arena *a, const struct ctx *c) {
  return mp_at(a, c->off);
}

/* --- a live waiter -------------------------------------------------------- */

static int sit(struct mp_arena *a, struct ctx *c,
               int (*take)(struct mp_arena *, struct ctx *)) {
  mp_proc p;
  char byte = 0;
  int ready[2];
  if (crash_slot(a, &p) < 0 || pipe(ready) < 0)
    return -1;
  c->sitter = fork();
  if (c->sitter == 0) {
    crash_die_with_parent();
    if (mp_slot_enter(a, p) < 0 || take(a, c) < 0 || write(ready[1], "x", 1) < 0)
      _exit(1);
    for (;;)
      pause();
  }
  close(ready[1]);
  mp_slot_set_pid(a, p, c->sitter);
  int rc = read(ready[0], &byte, 1) == 1 ? 0 : -1;
  close(ready[0]);
  return rc;
}

static void dismiss(void *p) {
  struct ctx *c = p;
  if (c->sitter > 0) {
    kill(c->sitter, SIGKILL);
    waitpid(c->sitter, NULL, 0);
  }
  c->sitter = 0;
}

/* --- locks ---------------------------------------------------------------- */

static int make_lock_of(struct mp_arena *a, struct ctx *c,
                        enum mp_object_type type) {
  return mp_object_create(a, type, sizeof(struct mp_lock), &c->off, &c->handle);
}

static int make_lock(struct mp_arena *a, void *p) {
  return make_lock_of(a, p, MP_T_LOCK);
}

static int make_rlock(struct mp_arena *a, void *p) {
  return make_lock_of(a, p, MP_T_RLOCK);
}

/* Another process has died with the lock: a slot that nobody is in. */
static int make_abandoned(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  int rc = make_lock_of(a, c, MP_T_LOCK);
  if (rc == 0)
    atomic_store(&((struct mp_lock *)body(a, c))->word,
                 (UINT32_C(9) << 14 | 700) | MP_LOCK_WAITERS);
  return rc;
}

static int op_acquire(struct mp_arena *a, void *p) {
  return mp_lock_acquire(a, body(a, p), soon());
}

static int op_acquire_release(struct mp_arena *a, void *p) {
  int rc = mp_lock_acquire(a, body(a, p), soon());
  return rc < 0 ? rc : mp_lock_release(a, body(a, p));
}

static int op_nested(struct mp_arena *a, void *p) {
  struct mp_lock *l = body(a, p);
  for (int i = 0; i < 3; i++)
    if (mp_lock_acquire(a, l, soon()) < 0)
      return -1;
  for (int i = 0; i < 3; i++)
    if (mp_lock_release(a, l) < 0)
      return -1;
  return 0;
}

static int op_enter(struct mp_arena *a, void *p) {
  int rc = mp_lock_enter(a, body(a, p));
  if (rc == 0)
    mp_lock_leave(body(a, p));
  return rc;
}

static const char *lockable(struct mp_arena *a, struct mp_lock *l) {
  int rc = mp_lock_acquire(a, l, soon());
  if (rc < 0)
    return "the lock cannot be acquired";
  if (l->depth != 1 && l->head.type != MP_T_LOCK)
    return "the depth is wrong";
  if (mp_lock_release(a, l) < 0)
    return "the lock cannot be released";
  if (mp_lock_acquire(a, l, 0) != 0)
    return "the lock is not free, or abandoned twice";
  mp_lock_release(a, l);
  return NULL;
}

static const char *check_lock(struct mp_arena *a, void *p) {
  return lockable(a, body(a, p));
}

/* --- semaphores ----------------------------------------------------------- */

static int make_sem(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  int rc = mp_object_create(a, MP_T_SEMAPHORE, sizeof(struct mp_sem), &c->off,
                            &c->handle);
  if (rc == 0)
    atomic_store(&((struct mp_sem *)body(a, c))->word, 2 | MP_SEM_WAITERS);
  return rc;
}

static int op_sem(struct mp_arena *a, void *p) {
  struct mp_sem *s = body(a, p);
  int rc = mp_sem_acquire(s, soon());
  return rc < 0 ? rc : mp_sem_release(s);
}

static const char *check_sem(struct mp_arena *a, void *p) {
  struct mp_sem *s = body(a, p);
  uint32_t n = mp_sem_value(s);
  if (n != 1 && n != 2)
    return "neither 1 nor 2 units";
  if (mp_sem_acquire(s, soon()) < 0 || mp_sem_value(s) != n - 1)
    return "a unit cannot be taken";
  return mp_sem_release(s) < 0 || mp_sem_value(s) != n ? "nor given" : NULL;
}

static int make_bounded_of(struct mp_arena *a, struct ctx *c, uint32_t n) {
  int rc = mp_object_create(a, MP_T_BOUNDED, sizeof(struct mp_bounded), &c->off,
                            &c->handle);
  return rc < 0 ? rc : mp_bounded_init(body(a, c), n);
}

static int make_bounded(struct mp_arena *a, void *p) {
  return make_bounded_of(a, p, 3);
}

/* All units belong to dead processes; the table is full of them. */
static int make_bounded_dead(struct mp_arena *a, void *p) {
  int rc = make_bounded_of(a, p, MP_HOLDERS);
  struct mp_bounded *b = body(a, p);
  b->value = 0;
  for (uint32_t i = 0; i < MP_HOLDERS; i++)
    b->first[i] = (struct mp_holder){UINT32_C(9) << 14 | (700 + i), 1};
  return rc;
}

/* The table is full: the next holder makes it grow. */
static int make_bounded_full(struct mp_arena *a, void *p) {
  int rc = make_bounded_dead(a, p);
  struct mp_bounded *b = body(a, p);
  b->bound = MP_HOLDERS + 2;
  b->value = 2;
  return rc;
}

static int op_bounded(struct mp_arena *a, void *p) {
  struct mp_bounded *b = body(a, p);
  if (mp_bounded_acquire(a, b, soon()) < 0 ||
      mp_bounded_acquire(a, b, soon()) < 0)
    return -1;
  return mp_bounded_release(a, b);
}

static int op_destroy(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  mp_object_detach(a, c->handle);
  return 0;
}

static const char *check_bounded(struct mp_arena *a, void *p) {
  struct mp_bounded *b = body(a, p);
  if (mp_bounded_value(a, b) != b->bound)
    return "units of dead processes are missing";
  for (uint32_t i = 0; i < b->bound; i++)
    if (mp_bounded_acquire(a, b, 0) < 0)
      return "a unit cannot be taken";
  if (mp_bounded_acquire(a, b, 0) != -ETIMEDOUT)
    return "too many units";
  for (uint32_t i = 0; i < b->bound; i++)
    if (mp_bounded_release(a, b) < 0)
      return "a unit cannot be given back";
  return mp_bounded_release(a, b) == -EOVERFLOW ? NULL : "too many units";
}

/* --- events --------------------------------------------------------------- */

static int make_event(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  int rc = mp_object_create(a, MP_T_EVENT, sizeof(struct mp_event), &c->off,
                            &c->handle);
  if (rc == 0)
    atomic_store(&((struct mp_event *)body(a, c))->word, 1); /* a sleeper */
  return rc;
}

static int op_event(struct mp_arena *a, void *p) {
  struct mp_event *e = body(a, p);
  mp_event_set(e);
  mp_event_clear(e);
  mp_event_set(e);
  return 0;
}

static const char *check_event(struct mp_arena *a, void *p) {
  struct mp_event *e = body(a, p);
  mp_event_clear(e);
  uint32_t seen = mp_event_begin(e);
  if (mp_event_is_set(e) || mp_event_wait(e, seen, 0) != -ETIMEDOUT)
    return "it cannot be cleared";
  mp_event_set(e);
  return mp_event_wait(e, seen, soon()) == 0 ? NULL : "it cannot be set";
}

/* --- conditions ----------------------------------------------------------- */

static int make_condition(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  int rc = mp_object_create(a, MP_T_CONDITION, sizeof(struct mp_condition),
                            &c->off, &c->handle);
  return rc < 0 ? rc : mp_condition_init(a, body(a, c), 0);
}

static int sit_in_condition(struct mp_arena *a, struct ctx *c) {
  struct mp_cond_wait w;
  struct mp_condition *cond = body(a, c);
  int rc = mp_lock_acquire(a, &cond->own, soon());
  return rc < 0 ? rc : mp_condition_begin(a, cond, &w);
}

static int make_condition_sat(struct mp_arena *a, void *p) {
  int rc = make_condition(a, p);
  return rc < 0 ? rc : sit(a, p, sit_in_condition);
}

/* All seats of the first block are taken, by one process. */
static int sit_everywhere(struct mp_arena *a, struct ctx *c) {
  for (int i = 0; i < MP_SEATS_FIRST; i++)
    if (sit_in_condition(a, c) < 0)
      return -1;
  return 0;
}

static int make_condition_full(struct mp_arena *a, void *p) {
  int rc = make_condition(a, p);
  return rc < 0 ? rc : sit(a, p, sit_everywhere);
}

static int op_wait(struct mp_arena *a, void *p) {
  struct mp_condition *c = body(a, p);
  struct mp_cond_wait w;
  if (mp_lock_acquire(a, &c->own, soon()) < 0 ||
      mp_lock_acquire(a, &c->own, soon()) < 0)
    return -1;
  if (mp_condition_begin(a, c, &w) < 0)
    return -1;
  mp_condition_sleep(&w, 0);
  mp_condition_end(&w);
  if (mp_condition_relock(a, c, &w) < 0 || c->own.depth != 2)
    return -1;
  return 0;
}

static int op_notify(struct mp_arena *a, void *p) {
  struct mp_condition *c = body(a, p);
  if (mp_lock_acquire(a, &c->own, soon()) < 0)
    return -1;
  int rc = mp_condition_notify(a, c, 1);
  mp_lock_release(a, &c->own);
  return rc;
}

static const char *check_condition(struct mp_arena *a, void *p) {
  const struct ctx *ctx = p;
  struct mp_condition *c = body(a, p);
  int live = ctx->sitter > 0;
  struct mp_cond_wait w;
  const char *why = lockable(a, &c->own);
  if (why != NULL)
    return why;
  mp_lock_acquire(a, &c->own, 0);
  int n = mp_condition_notify(a, c, INT_MAX);
  if (n < 0 || n > (live ? MP_SEATS_FIRST : 0))
    return "a dead waiter was called";
  if (mp_condition_notify(a, c, INT_MAX) != 0)
    return "somebody was called twice";
  if (mp_condition_begin(a, c, &w) < 0)
    return "nobody can wait";
  mp_lock_acquire(a, &c->own, 0);
  if (mp_condition_notify(a, c, 5) != 1 || mp_condition_sleep(&w, 0) != 0 ||
      mp_condition_end(&w) != 1)
    return "the waiter is not called";
  mp_lock_release(a, &c->own);
  return NULL;
}

/* --- barriers ------------------------------------------------------------- */

static int make_barrier_of(struct mp_arena *a, struct ctx *c, int action) {
  int rc = mp_object_create(a, MP_T_BARRIER, sizeof(struct mp_barrier), &c->off,
                            &c->handle);
  return rc < 0 ? rc : mp_barrier_init(body(a, c), 2, action, MP_FOREVER);
}

static int sit_at_barrier(struct mp_arena *a, struct ctx *c) {
  struct mp_barrier_wait w;
  return mp_barrier_begin(a, body(a, c), &w);
}

static int make_barrier(struct mp_arena *a, void *p) {
  int rc = make_barrier_of(a, p, 0);
  return rc < 0 ? rc : sit(a, p, sit_at_barrier);
}

static int make_barrier_acting(struct mp_arena *a, void *p) {
  int rc = make_barrier_of(a, p, 1);
  return rc < 0 ? rc : sit(a, p, sit_at_barrier);
}

static int op_pass(struct mp_arena *a, void *p) {
  struct mp_barrier *b = body(a, p);
  struct mp_barrier_wait w;
  if (mp_barrier_begin(a, b, &w) < 0)
    return -1;
  int rc = mp_barrier_step(a, b, &w, soon());
  if (rc == 0)
    rc = mp_barrier_done(a, b, &w);
  return rc > 0 ? 0 : -1;
}

static int op_break(struct mp_arena *a, void *p) {
  struct mp_barrier *b = body(a, p);
  b->parties = 3;
  struct mp_barrier_wait w;
  if (mp_barrier_begin(a, b, &w) < 0 ||
      mp_barrier_step(a, b, &w, 1) != -ETIMEDOUT)
    return -1;
  mp_barrier_reset(a, b);
  mp_barrier_abort(a, b);
  return mp_barrier_reset(a, b);
}

/* Whatever happened: one who waits is live, or was let through; after a reset
** the barrier works, in parties of one for this one process. */
static const char *check_barrier(struct mp_arena *a, void *p) {
  struct mp_barrier *b = body(a, p);
  struct mp_barrier_wait w;
  int n = mp_barrier_waiting(a, b);
  if (n != 0 && n != 1)
    return "a dead waiter counts";
  if (mp_barrier_reset(a, b) < 0 || mp_barrier_waiting(a, b) != 0)
    return "it cannot be reset";
  b->parties = 1;
  for (int i = 0; i < 3; i++) {
    if (mp_barrier_begin(a, b, &w) < 0)
      return "nobody can wait";
    int rc = mp_barrier_step(a, b, &w, soon());
    if (rc == 0)
      rc = mp_barrier_done(a, b, &w);
    if (rc != 1)
      return "it does not open";
  }
  return NULL;
}

/* --- values --------------------------------------------------------------- */

static int make_lock_for_value(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  return mp_object_create(a, MP_T_LOCK, sizeof(struct mp_lock), &c->other,
                          &c->handle2);
}

/* Made, used and destroyed, with a lock of the user's. */
static int op_value(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  int type = mp_type_index('q');
  if (mp_object_create(a, MP_T_VALUE, mp_cells_size(type, 1, 1), &c->off,
                       &c->handle) < 0)
    return -1;
  struct mp_cells *v = body(a, c);
  if (mp_cells_init(a, v, type, 1, 0, c->other) < 0 ||
      mp_lock_enter(a, mp_cells_lock(a, v)) != 0)
    return -1;
  mp_cell_store(mp_cells_type(v), v->data, (union mp_cell){.i = 7});
  mp_lock_leave(mp_cells_lock(a, v));
  mp_object_detach(a, c->handle);
  return 0;
}

/* Only the lock is left, with the one handle that setup made. */
static const char *check_value(struct mp_arena *a, void *p) {
  const struct ctx *c = p;
  struct mp_arena_stats st;
  struct mp_object *o = mp_at(a, c->other);
  uint32_t handle;
  if (mp_object_attach(a, c->other, &handle) < 0)
    return "the lock is gone";
  const char *why = lockable(a, mp_at(a, c->other));
  mp_object_detach(a, handle);
  if (why != NULL)
    return why;
  mp_arena_stats(a, &st);
  if (o->count != 1 || st.blocks != 1)
    return "something is left of the value";
  return NULL;
}

/* --- alone ---------------------------------------------------------------- */

static struct ctx ctx;

#define ALONE(n, s, o, c) \
  {.name = n, .setup = s, .operation = o, .check = c, .ctx = &ctx}

static const struct crash_case alone[] = {
    ALONE("lock: acquire", make_lock, op_acquire, check_lock),
    ALONE("lock: acquire, release", make_lock, op_acquire_release, check_lock),
    ALONE("lock: take over", make_abandoned, op_acquire_release, check_lock),
    ALONE("lock: enter, abandoned", make_abandoned, op_enter, NULL),
    ALONE("rlock: three levels", make_rlock, op_nested, check_lock),
    ALONE("semaphore", make_sem, op_sem, check_sem),
    ALONE("bounded: take, give", make_bounded, op_bounded, check_bounded),
    ALONE("bounded: from the dead", make_bounded_dead, op_bounded,
          check_bounded),
    ALONE("bounded: growth", make_bounded_full, op_bounded, check_bounded),
    ALONE("bounded: destroy", make_bounded_full, op_destroy, NULL),
    ALONE("event: set, clear, set", make_event, op_event, check_event),
    ALONE("condition: wait", make_condition, op_wait, check_condition),
    ALONE("condition: wait, growth", make_condition_full, op_wait,
          check_condition),
    ALONE("condition: notify", make_condition_sat, op_notify, check_condition),
    ALONE("condition: destroy", make_condition, op_destroy, NULL),
    ALONE("barrier: wait", make_barrier, op_pass, check_barrier),
    ALONE("barrier: action", make_barrier_acting, op_pass, check_barrier),
    ALONE("barrier: break, reset", make_barrier, op_break, check_barrier),
    ALONE("value: whole life", make_lock_for_value, op_value, check_value),
};

/* --- pairs ---------------------------------------------------------------- */

static int second_lock(struct mp_arena *a, void *p) {
  return op_acquire_release(a, p);
}

static int make_sem_empty(struct mp_arena *a, void *p) {
  int rc = make_sem(a, p);
  atomic_store(&((struct mp_sem *)body(a, p))->word, 0);
  return rc;
}

static int first_post(struct mp_arena *a, void *p) {
  return mp_sem_release(body(a, p));
}

/* Waits end at intervals, as if by a signal: they are made again. */
#define AGAIN(rc, call) \
  do                    \
    rc = (call);        \
  while (rc == -EINTR)

static int timely(int rc, int64_t deadline) {
  if (mp_now() > deadline + MP_SECOND) /* a busy machine's delay */
    return -1;
  return rc < 0 && rc != -ETIMEDOUT && rc != MP_EBROKEN ? -1 : 0;
}

static int second_take(struct mp_arena *a, void *p) {
  int64_t deadline = mp_now() + 40 * MP_MS;
  int rc;
  AGAIN(rc, mp_sem_acquire(body(a, p), deadline));
  return timely(rc, deadline);
}

static const char *check_sem_few(struct mp_arena *a, void *p) {
  struct mp_sem *s = body(a, p);
  mp_sem_release(s);
  return mp_sem_value(s) <= 2 && mp_sem_acquire(s, 0) == 0 ? NULL : "units";
}

static int second_bounded(struct mp_arena *a, void *p) {
  struct mp_bounded *b = body(a, p);
  int64_t deadline = mp_now() + MP_SECOND;
  int rc = 0;
  for (int i = 0; rc == 0 && i < 3; i++)
    AGAIN(rc, mp_bounded_acquire(a, b, deadline));
  return rc;
}

static int second_event(struct mp_arena *a, void *p) {
  struct mp_event *e = body(a, p);
  int64_t deadline = mp_now() + 40 * MP_MS;
  uint32_t seen = mp_event_begin(e);
  int rc;
  AGAIN(rc, mp_event_wait(e, seen, deadline));
  return timely(rc, deadline);
}

static int second_wait(struct mp_arena *a, void *p) {
  struct mp_condition *c = body(a, p);
  struct mp_cond_wait w;
  if (mp_lock_acquire(a, &c->own, mp_now() + MP_SECOND) < 0)
    return -1;
  int64_t deadline = mp_now() + 40 * MP_MS;
  if (mp_condition_begin(a, c, &w) < 0)
    return -1;
  int rc;
  AGAIN(rc, mp_condition_sleep(&w, deadline));
  rc = timely(rc, deadline);
  mp_condition_end(&w);
  if (mp_condition_relock(a, c, &w) < 0)
    return -1;
  mp_lock_release(a, &c->own);
  return rc;
}

static int second_notify(struct mp_arena *a, void *p) {
  struct mp_condition *c = body(a, p);
  if (mp_lock_acquire(a, &c->own, mp_now() + MP_SECOND) < 0)
    return -1;
  int rc = mp_condition_notify(a, c, INT_MAX);
  mp_lock_release(a, &c->own);
  return rc;
}

static int make_barrier_empty(struct mp_arena *a, void *p) {
  return make_barrier_of(a, p, 0);
}

/* Through with A, or alone until the timeout. */
static int second_pass(struct mp_arena *a, void *p) {
  struct mp_barrier *b = body(a, p);
  struct mp_barrier_wait w;
  int64_t deadline = mp_now() + 40 * MP_MS;
  int rc = mp_barrier_begin(a, b, &w);
  if (rc < 0)
    return timely(rc, deadline);
  AGAIN(rc, mp_barrier_step(a, b, &w, deadline));
  if (rc == 0)
    rc = mp_barrier_done(a, b, &w);
  return timely(rc, deadline);
}

/* A waits at a barrier for two; B comes, and A may be dead by then. */
static int first_wait_barrier(struct mp_arena *a, void *p) {
  return second_pass(a, p);
}

#define PAIR(n, s, f, g, c) {n, s, f, g, c, &ctx, dismiss}

static const struct crash_pair pairs[] = {
    PAIR("lock, lock", make_lock, op_acquire_release, second_lock, check_lock),
    PAIR("take over, lock", make_abandoned, op_acquire_release, second_lock,
         check_lock),
    PAIR("rlock, rlock", make_rlock, op_nested, second_lock, check_lock),
    PAIR("post, take", make_sem_empty, first_post, second_take, check_sem_few),
    PAIR("bounded, bounded", make_bounded, op_bounded, second_bounded,
         check_bounded),
    PAIR("set, wait", make_event, op_event, second_event, check_event),
    PAIR("notify, wait", make_condition, op_notify, second_wait,
         check_condition),
    PAIR("wait, notify", make_condition, op_wait, second_notify,
         check_condition),
    PAIR("barrier, barrier", make_barrier_empty, first_wait_barrier,
         second_pass, check_barrier),
};

int main(void) {
  long bad = 0, good = 0;
  mp_slot_grace = 0;
  mp_bounded_setup();
  mp_condition_setup();
  mp_barrier_setup();
  mp_cells_setup();
  for (size_t i = 0; i < sizeof alone / sizeof *alone; i++) {
    memset(&ctx, 0, sizeof ctx);
    long f = crash_points(&alone[i]);
    dismiss(&ctx);
    f > 0 ? bad++ : good++;
  }
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    memset(&ctx, 0, sizeof ctx);
    crash_pair_points(&pairs[i], 1) > 0 ? bad++ : good++;
  }
  printf("%ld passed, %ld failed\n", good, bad);
  return bad > 0;
}
