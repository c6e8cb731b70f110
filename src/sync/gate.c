/*
** gate.c: waiting for something to happen to a shared structure
** MIT licence, see LICENSE
*/

#include "sync/gate.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>

#include "os/futex.h"

/* Waking a sleeper takes as long as 2,000 of these: who waits for a message
** looks that long before it sleeps.  The yield lets the other side run where
** both share a processor; but where all processors are busy it may cost a time
** slice, hence the bound in time: who sleeps is woken sooner then. */
enum { SPINS = 2000, SPINS_PER_YIELD = 32 };
#define SPIN_NS (MP_MS / 20)

/* This thread's last sleep ended with its slice: nobody is about to come. */
static _Thread_local int is_idle;

int mp_slice_over(int rc) {
  if (rc != -ETIMEDOUT)
    return rc;
  is_idle = 1;
  return -EINTR;
}

int mp_spin(_Atomic uint32_t *word, uint32_t seen) {
  int64_t end = 0;
  if (is_idle) {
    is_idle = 0;
    return atomic_load_explicit(word, memory_order_acquire) != seen;
  }
  for (int i = 1; i <= SPINS; i++) {
    if (atomic_load_explicit(word, memory_order_acquire) != seen)
      return 1;
    if (i % SPINS_PER_YIELD != 0)
      continue;
    int64_t now = mp_now();
    if (end == 0)
      end = now + SPIN_NS;
    else if (now > end)
      break;
    sched_yield();
  }
  return 0;
}

/* Never below zero: a waker may have set the count right meanwhile. */
static void retract(struct mp_gate *g) {
  uint32_t n = atomic_load(&g->sleepers);
  while (n > 0 && !atomic_compare_exchange_weak(&g->sleepers, &n, n - 1))
    ;
}

int mp_gate_wait(struct mp_gate *g, uint32_t seen, int64_t deadline) {
  int64_t now = mp_now();
  if (deadline <= now)
    return -ETIMEDOUT;
  if (mp_spin(&g->seq, seen))
    return 0;
  int64_t slice = now + MP_SLICE;
  atomic_fetch_add(&g->sleepers, 1);
  int rc = mp_futex_wait(&g->seq, seen, slice < deadline ? slice : deadline);
  retract(g);
  if (rc == -ETIMEDOUT && slice < deadline)
    rc = mp_slice_over(rc) == -EINTR ? 0 : rc;
  return rc;
}

/*
** Nobody there although somebody is counted: the counted ones were killed, or
** have seen the new counter already, or are on their way to sleep on it.  The
** count is set right so that later notifications cost nothing; those on their
** way, whom nobody counts from here on, find the counter changed once more, or
** are woken.
*/
void mp_gate_wake(struct mp_gate *g, int n) {
  uint32_t counted = atomic_load(&g->sleepers);
  if (mp_futex_wake(&g->seq, n) > 0)
    return;
  if (atomic_compare_exchange_strong(&g->sleepers, &counted, 0)) {
    atomic_fetch_add(&g->seq, 1);
    mp_futex_wake(&g->seq, INT_MAX);
  }
}
