/*
** event.c: Event: a flag that processes wait for
** MIT licence, see LICENSE
*/

#include "sync/event.h"

#include <errno.h>
#include <limits.h>

#include "os/clock.h"
#include "os/futex.h"
#include "sync/gate.h"

#define SLEEPERS UINT32_C(1)
#define SET UINT32_C(2)
#define ONCE UINT32_C(4)

static int swap(struct mp_event *e, uint32_t *seen, uint32_t word) {
  return atomic_compare_exchange_weak_explicit(
      &e->word, seen, word, memory_order_acq_rel, memory_order_relaxed);
}

int mp_event_is_set(const struct mp_event *e) {
  return (atomic_load_explicit(&e->word, memory_order_acquire) & SET) != 0;
}

static uint32_t when_set(uint32_t word) {
  return word & SET ? word : ((word & ~SLEEPERS) + ONCE) | SET;
}

/* Also when it is set already: what this process did before is then seen by
** who finds it set later. */
void mp_event_set(struct mp_event *e) {
  uint32_t seen = atomic_load_explicit(&e->word, memory_order_relaxed);
  while (!swap(e, &seen, when_set(seen)))
    ;
  if ((seen & SLEEPERS) && !(seen & SET))
    mp_futex_wake(&e->word, INT_MAX);
}

void mp_event_clear(struct mp_event *e) {
  uint32_t seen = atomic_load_explicit(&e->word, memory_order_relaxed);
  while ((seen & SET) && !swap(e, &seen, seen & ~SET))
    ;
}

/* --- waiting -------------------------------------------------------------- */

uint32_t mp_event_begin(const struct mp_event *e) {
  return atomic_load_explicit(&e->word, memory_order_acquire) & ~SLEEPERS;
}

/* It was set since, or is: the count differs, or the flag is up. */
static int has_come(uint32_t word, uint32_t seen) {
  return (word & SET) || (word & ~(SET | SLEEPERS)) != (seen & ~SET);
}

static int sleep_on(struct mp_event *e, uint32_t word, int64_t now,
                    int64_t deadline) {
  if (!(word & SLEEPERS) && !swap(e, &word, word | SLEEPERS))
    return 0;
  int64_t end = mp_slice_end(now, MP_SLICE, deadline);
  return mp_slice_over(mp_futex_wait(&e->word, word | SLEEPERS, end));
}

int mp_event_wait(struct mp_event *e, uint32_t seen, int64_t deadline) {
  int rc = 0, spun = 0;
  while (rc == 0) {
    uint32_t word = atomic_load_explicit(&e->word, memory_order_acquire);
    if (has_come(word, seen))
      return 0;
    int64_t now = mp_now();
    if (now >= deadline)
      return -ETIMEDOUT;
    if (!spun++ && mp_spin(&e->word, word))
      continue;
    rc = sleep_on(e, word, now, deadline);
  }
  return rc;
}
