/*
** condition.c: Condition: waiting for a change of what a lock protects
** MIT licence, see LICENSE
*/

#include "sync/condition.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>

#include "base/code.h"
#include "os/clock.h"
#include "os/futex.h"
#include "sync/gate.h"
#include "sync/keep.h"

enum { GONE, WAITING, WAITING_ASLEEP, CALLED };

/* --- birth and death ------------------------------------------------------ */

static void condition_destroy(struct mp_arena *a, mp_off off) {
  struct mp_condition *c = mp_at(a, off);
  mp_seats_free(a, &c->guard, &c->seats);
  mp_keep_drop(a, &c->guard, &c->keep);
}

void mp_condition_setup(void) {
  mp_object_set_destroy(MP_T_CONDITION, condition_destroy);
}

int mp_condition_init(struct mp_arena *a, struct mp_condition *c,
                      mp_off other) {
  int rc = mp_guard_init(&c->guard);
  if (rc == 0)
    rc = mp_seats_init(&c->seats);
  if (rc == 0 && other != 0)
    rc = mp_keep_set(a, &c->guard, &c->keep, other);
  if (rc == 0)
    c->other = other;
  return rc;
}

struct mp_lock *mp_condition_lock(struct mp_arena *a, struct mp_condition *c) {
  return c->other != 0 ? mp_at(a, c->other) : &c->own;
}

/* --- wait ----------------------------------------------------------------- */

int mp_condition_begin(struct mp_arena *a, struct mp_condition *c,
                       struct mp_cond_wait *w) {
  struct mp_lock *l = mp_condition_lock(a, c);
  if (!mp_lock_is_mine(a, l))
    return MP_ENOTOWNER;
  int rc = mp_seat_take(a, &c->guard, &c->seats, &w->seat);
  if (rc < 0)
    return rc;
  atomic_store_explicit(&w->seat->word, WAITING, memory_order_relaxed);
  mp_guard_leave(a, &c->guard);
  w->depth = mp_lock_release_all(l);
  return 0;
}

/* -EAGAIN: look again */
static int sleep_on(_Atomic uint32_t *word, int64_t deadline) {
  uint32_t seen = WAITING;
  if (!atomic_compare_exchange_strong(word, &seen, WAITING_ASLEEP) &&
      seen == CALLED)
    return 0;
  int64_t now = mp_now();
  if (now >= deadline)
    return -ETIMEDOUT;
  int rc = mp_futex_wait(word, WAITING_ASLEEP,
                         mp_slice_end(now, MP_SLICE, deadline));
  return rc < 0 ? mp_slice_over(rc) : -EAGAIN;
}

int mp_condition_sleep(struct mp_cond_wait *w, int64_t deadline) {
  _Atomic uint32_t *word = &w->seat->word;
  int rc = -EAGAIN;
  if (deadline > 0 && mp_spin(word, WAITING))
    rc = atomic_load(word) == CALLED ? 0 : -EAGAIN;
  while (rc == -EAGAIN)
    rc = sleep_on(word, deadline);
  return rc;
}

int mp_condition_end(struct mp_cond_wait *w) {
  uint32_t was = atomic_exchange_explicit(&w->seat->word, GONE,
                                          memory_order_acq_rel);
  mp_seat_leave(w->seat);
  return was == CALLED;
}

int mp_condition_relock(struct mp_arena *a, struct mp_condition *c,
                        const struct mp_cond_wait *w) {
  struct mp_lock *l = mp_condition_lock(a, c);
  int rc = mp_lock_acquire_soon(a, l, MP_FOREVER);
  if (rc >= 0)
    l->depth = w->depth;
  return rc;
}

/* --- notify --------------------------------------------------------------- */

static int is_waiting(struct mp_seat *seat) {
  uint32_t word = atomic_load_explicit(&seat->word, memory_order_relaxed);
  return (word == WAITING || word == WAITING_ASLEEP) && mp_seat_is_taken(seat);
}

/* The waiter may leave at the same moment: then it was not called. */
static int call(struct mp_seat *seat) {
  uint32_t seen = atomic_load_explicit(&seat->word, memory_order_relaxed);
  while (seen == WAITING || seen == WAITING_ASLEEP) {
    if (!atomic_compare_exchange_weak_explicit(&seat->word, &seen, CALLED,
                                               memory_order_acq_rel,
                                               memory_order_relaxed))
      continue;
    if (seen == WAITING_ASLEEP)
      mp_futex_wake(&seat->word, 1);
    return 1;
  }
  return 0;
}

static struct mp_seat *oldest(struct mp_arena *a, struct mp_condition *c) {
  struct mp_seats_walk w = {&c->seats, 0};
  struct mp_seat *seat, *best = NULL;
  while ((seat = mp_seats_next(a, &w)) != NULL) {
    if ((best == NULL || seat->ticket < best->ticket) && is_waiting(seat))
      best = seat;
  }
  return best;
}

static int call_some(struct mp_arena *a, struct mp_condition *c, int n) {
  int called = 0;
  struct mp_seat *seat;
  while (called < n && (seat = oldest(a, c)) != NULL)
    called += call(seat);
  return called;
}

static int call_all(struct mp_arena *a, struct mp_condition *c) {
  struct mp_seats_walk w = {&c->seats, 0};
  struct mp_seat *seat;
  int called = 0;
  while ((seat = mp_seats_next(a, &w)) != NULL) {
    if (is_waiting(seat))
      called += call(seat);
  }
  return called;
}

int mp_condition_notify(struct mp_arena *a, struct mp_condition *c, int n) {
  if (!mp_lock_is_mine(a, mp_condition_lock(a, c)))
    return MP_ENOTOWNER;
  int rc = mp_guard_enter(a, &c->guard);
  if (rc < 0)
    return rc;
  rc = n == INT_MAX ? call_all(a, c) : call_some(a, c, n);
  mp_guard_leave(a, &c->guard);
  return rc;
}
