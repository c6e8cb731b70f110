/*
** semaphore.c: Semaphore: a number of units without owners
** MIT licence, see LICENSE
*/

#include "sync/semaphore.h"

#include <errno.h>
#include <limits.h>

#include "os/clock.h"
#include "os/futex.h"
#include "sync/gate.h"

static int swap(struct mp_sem *s, uint32_t *seen, uint32_t word) {
  return atomic_compare_exchange_weak_explicit(
      &s->word, seen, word, memory_order_acq_rel, memory_order_relaxed);
}

static int try_take(struct mp_sem *s, uint32_t *seen) {
  *seen = atomic_load_explicit(&s->word, memory_order_relaxed);
  while ((*seen & MP_SEM_MAX) != 0) {
    if (swap(s, seen, *seen - 1))
      return 1;
  }
  return 0;
}

/* Sleeps while there is nothing; 0: look again. */
static int sleep_on(struct mp_sem *s, uint32_t seen, int64_t now,
                    int64_t deadline) {
  if (seen == 0 && !swap(s, &seen, MP_SEM_WAITERS))
    return 0;
  int64_t end = mp_slice_end(now, MP_SLICE, deadline);
  return mp_slice_over(mp_futex_wait(&s->word, MP_SEM_WAITERS, end));
}

int mp_sem_acquire(struct mp_sem *s, int64_t deadline) {
  uint32_t seen;
  int rc = 0, spun = 0;
  while (!try_take(s, &seen)) {
    int64_t now = mp_now();
    if (now >= deadline)
      return -ETIMEDOUT;
    if (!spun++ && mp_spin(&s->word, seen))
      continue;
    rc = sleep_on(s, seen, now, deadline);
    if (rc < 0)
      return rc;
  }
  return 0;
}

static void wake(struct mp_sem *s, uint32_t seen) {
  if (mp_futex_wake(&s->word, 1) > 0)
    return;
  if (atomic_compare_exchange_strong(&s->word, &seen, seen & MP_SEM_MAX))
    mp_futex_wake(&s->word, INT_MAX);
}

int mp_sem_release(struct mp_sem *s) {
  uint32_t seen = atomic_load_explicit(&s->word, memory_order_relaxed);
  do {
    if ((seen & MP_SEM_MAX) == MP_SEM_MAX)
      return -EOVERFLOW;
  } while (!swap(s, &seen, seen + 1));
  if (seen & MP_SEM_WAITERS)
    wake(s, seen + 1);
  return 0;
}
