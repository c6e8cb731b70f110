/*
** semaphore.h: Semaphore: a number of units without owners
** MIT licence, see LICENSE
**
**     31        30 ..... 0
**   [ WAITERS | units    ]      one futex word
**
** acquire: CAS units -> units - 1; at 0: spin a little, set WAITERS, sleep
** release: CAS units -> units + 1 (release; pairs with the CAS above, acquire),
**          and wake one if WAITERS is set
**
** WAITERS stays set while anybody may sleep.  A release that finds nobody
** takes it away and then wakes all: who fell asleep in between is awake again,
** who comes later finds the word changed.  Units die with their holder.
*/

#ifndef MP_SYNC_SEMAPHORE_H
#define MP_SYNC_SEMAPHORE_H

#include <stdatomic.h>
#include <stdint.h>

#include "shm/object.h"

#define MP_SEM_WAITERS (UINT32_C(1) << 31)
#define MP_SEM_MAX (MP_SEM_WAITERS - 1)

struct mp_sem {
  struct mp_object head;
  _Atomic uint32_t word;
};

/* 0, -ETIMEDOUT, -EINTR (call again; comes at intervals in any case) */
int mp_sem_acquire(struct mp_sem *s, int64_t deadline);

/* 0, or -EOVERFLOW: more than MP_SEM_MAX units. */
int mp_sem_release(struct mp_sem *s);

static inline uint32_t mp_sem_value(const struct mp_sem *s) {
  return atomic_load_explicit(&s->word, memory_order_relaxed) & MP_SEM_MAX;
}

#endif
