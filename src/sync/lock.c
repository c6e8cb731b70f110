/*
** lock.c: Lock and RLock, and the lock that other objects carry
** MIT licence, see LICENSE
*/

#include "sync/lock.h"

#include <errno.h>
#include <stddef.h>

#include "base/code.h"
#include "os/clock.h"
#include "os/futex.h"
#include "sync/gate.h"

/* The first sleep is short: the holder may be dead already. */
#define FIRST_SLICE (1 * MP_MS)
enum { SLICES = 3 }; /* then the caller looks for signals: mp_slice_over */

int mp_lock_is(struct mp_arena *a, mp_off off) {
  static const enum mp_object_type with_lock[] = {
      MP_T_RLOCK, MP_T_LOCK, MP_T_VALUE, MP_T_ARRAY, MP_T_CONDITION};
  for (size_t i = 0; i < sizeof with_lock / sizeof *with_lock; i++) {
    if (mp_object_is(a, off, with_lock[i]))
      return 1;
  }
  return 0;
}

static uint32_t owner_of(uint32_t word) {
  return word & MP_LOCK_OWNER;
}

static int swap(struct mp_lock *l, uint32_t *seen, uint32_t word) {
  return atomic_compare_exchange_strong_explicit(
      &l->word, seen, word, memory_order_acq_rel, memory_order_relaxed);
}

/* --- acquire -------------------------------------------------------------- */

struct attempt {
  uint32_t me;
  uint32_t keep;    /* WAITERS, once we have slept: others may sleep, too */
  uint32_t suspect; /* the owner that has outlasted a slice */
  int slices;       /* that are over */
};

/* 0 or 1 when taken, -EAGAIN when somebody holds it; `look`: who lives. */
static int try_take(struct mp_arena *a, struct mp_lock *l,
                    const struct attempt *t, uint32_t *seen, int look) {
  while (owner_of(*seen) == 0) {
    int abandoned = (*seen & MP_LOCK_ABANDONED) != 0;
    if (swap(l, seen, t->me | (*seen & MP_LOCK_WAITERS) | t->keep))
      return abandoned;
  }
  if (!look || mp_proc_runs(a, owner_of(*seen)))
    return -EAGAIN;
  if (swap(l, seen, t->me | (*seen & MP_LOCK_WAITERS) | t->keep))
    return 1;
  return -EAGAIN;
}

static int announce(struct mp_lock *l, uint32_t *seen) {
  return (*seen & MP_LOCK_WAITERS) != 0 ||
         swap(l, seen, *seen | MP_LOCK_WAITERS);
}

static int sleep_on(struct mp_lock *l, struct attempt *t, uint32_t seen,
                    int64_t now, int64_t deadline) {
  if (!announce(l, &seen))
    return 0;
  int64_t slice = t->slices == 0 ? FIRST_SLICE : MP_SLICE;
  int64_t end = mp_slice_end(now, slice, deadline);
  int rc = mp_futex_wait(&l->word, seen | MP_LOCK_WAITERS, end);
  t->keep = MP_LOCK_WAITERS;
  if (rc != -ETIMEDOUT)
    return rc;
  t->suspect = owner_of(seen);
  t->slices++;
  return 0;
}

static int acquire_slow(struct mp_arena *a, struct mp_lock *l, uint32_t me,
                        int64_t deadline) {
  struct attempt t = {me, 0, 0, 0};
  for (;;) {
    uint32_t seen = atomic_load_explicit(&l->word, memory_order_relaxed);
    int64_t now = mp_now();
    int look = now >= deadline || owner_of(seen) == t.suspect;
    int rc = try_take(a, l, &t, &seen, look);
    if (rc != -EAGAIN)
      return rc;
    if (now >= deadline)
      return -ETIMEDOUT;
    if (t.slices == SLICES)
      return -EINTR;
    t.suspect = 0;
    if (owner_of(seen) != 0)
      rc = sleep_on(l, &t, seen, now, deadline);
    if (rc == -EINTR)
      return rc;
  }
}

static int take(struct mp_arena *a, struct mp_lock *l, uint32_t me,
                int64_t deadline) {
  uint32_t seen = 0;
  int rc = swap(l, &seen, me) ? 0 : acquire_slow(a, l, me, deadline);
  if (rc >= 0)
    l->depth = 1;
  return rc;
}

static int is_recursive(const struct mp_lock *l) {
  return l->head.type != MP_T_LOCK;
}

static int once_more(struct mp_lock *l) {
  if (l->depth == UINT32_MAX)
    return -EOVERFLOW;
  l->depth++;
  return 0;
}

static int owned_by(const struct mp_lock *l, uint32_t me) {
  uint32_t word = atomic_load_explicit(&l->word, memory_order_relaxed);
  return owner_of(word) == me;
}

int mp_lock_acquire(struct mp_arena *a, struct mp_lock *l, int64_t deadline) {
  mp_proc me;
  int rc = mp_self_proc(a, &me);
  if (rc < 0)
    return rc;
  if (is_recursive(l) && owned_by(l, me))
    return once_more(l);
  return take(a, l, me, deadline);
}

int mp_lock_acquire_soon(struct mp_arena *a, struct mp_lock *l,
                         int64_t deadline) {
  uint32_t seen = atomic_load_explicit(&l->word, memory_order_relaxed);
  if (owner_of(seen) != 0 && !mp_lock_is_mine(a, l))
    mp_spin(&l->word, seen);
  return mp_lock_acquire(a, l, deadline);
}

int mp_lock_take_over(struct mp_arena *a, struct mp_lock *l, uint32_t from) {
  mp_proc me;
  int rc = mp_self_proc(a, &me);
  uint32_t seen = atomic_load_explicit(&l->word, memory_order_relaxed);
  while (rc == 0 && owner_of(seen) == from) {
    if (swap(l, &seen, me | (seen & ~MP_LOCK_OWNER)))
      return 0;
  }
  return rc < 0 ? rc : -EAGAIN;
}

/* --- release -------------------------------------------------------------- */

static int unlock(struct mp_lock *l) {
  uint32_t seen = atomic_load_explicit(&l->word, memory_order_relaxed);
  do {
    if (owner_of(seen) == 0)
      return MP_ENOTOWNER;
  } while (!swap(l, &seen, seen & MP_LOCK_ABANDONED));
  if (seen & MP_LOCK_WAITERS)
    mp_futex_wake(&l->word, 1);
  return 0;
}

int mp_lock_is_mine(struct mp_arena *a, const struct mp_lock *l) {
  mp_proc me;
  return mp_self_proc(a, &me) == 0 && owned_by(l, me);
}

int mp_lock_release(struct mp_arena *a, struct mp_lock *l) {
  if (!is_recursive(l))
    return unlock(l);
  if (!mp_lock_is_mine(a, l))
    return MP_ENOTOWNER;
  if (l->depth > 1) {
    l->depth--;
    return 0;
  }
  return unlock(l);
}

uint32_t mp_lock_release_all(struct mp_lock *l) {
  uint32_t depth = l->depth;
  unlock(l);
  return depth;
}

/* --- access under a lock -------------------------------------------------- */

int mp_lock_enter(struct mp_arena *a, struct mp_lock *l) {
  mp_proc me;
  int rc = mp_self_proc(a, &me);
  if (rc < 0)
    return rc;
  if (owned_by(l, me))
    return 1;
  rc = take(a, l, me, MP_FOREVER);
  if (rc != 1)
    return rc;
  atomic_fetch_or(&l->word, MP_LOCK_ABANDONED);
  return 0;
}

void mp_lock_leave(struct mp_lock *l) {
  unlock(l);
}
