/*
** gate.h: waiting for something to happen to a shared structure
** MIT licence, see LICENSE
**
** An event counter and the number of those who sleep on it.  A waiter reads
** the counter, looks at the structure, and waits until the counter differs;
** who changes the structure then counts one up, and makes a system call only
** when somebody sleeps:
**
**     waiter                            waker
**       seen = mp_gate_seen(g)            change the structure
**       look: nothing there               mp_gate_notify(g, 1):
**       mp_gate_wait(g, seen, ...):         seq++
**         sleepers++                        sleepers > 0 ? FUTEX_WAKE
**         FUTEX_WAIT while seq == seen
**
** Both sides write first and read the other's word second (seq_cst), so one
** of them sees the other: no wake-up is lost.  A process may be killed with a
** wake-up in its hands, or between a change and its notification: sleepers
** look again after MP_SLICE at the latest.  A killed sleeper stays counted
** until a wake-up finds nobody.
*/

#ifndef MP_SYNC_GATE_H
#define MP_SYNC_GATE_H

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>

#include "os/clock.h"

#define MP_SLICE (100 * MP_MS)

/*
** A signal may come just before the system call that it should interrupt: then
** the handler has run and nothing returns -EINTR.  So a wait that ends with
** its slice returns -EINTR as well, and the caller looks what handlers left.
*/
int mp_slice_over(int rc);

/* Until when to sleep: a slice, but not beyond the deadline. */
static inline int64_t mp_slice_end(int64_t now, int64_t slice,
                                   int64_t deadline) {
  return deadline - now < slice ? deadline : now + slice;
}

/* Looks at a word for about as long as waking a sleeper takes: for who waits
** for a message, not before a mutex.  1 as soon as it is not `seen`, else 0.
** Who has slept for a whole slice goes on sleeping: then it is one look. */
int mp_spin(_Atomic uint32_t *word, uint32_t seen);

struct mp_gate {
  _Atomic uint32_t seq;
  _Atomic uint32_t sleepers;
};

static inline uint32_t mp_gate_seen(struct mp_gate *g) {
  return atomic_load(&g->seq);
}

/*
** Waits until the counter differs from `seen`: spins a little, then sleeps.
** 0: look again (it changed, or a slice is over); -ETIMEDOUT; -EINTR.
*/
int mp_gate_wait(struct mp_gate *g, uint32_t seen, int64_t deadline);

/* Something happened that n waiters can use (INT_MAX: all). */
void mp_gate_wake(struct mp_gate *g, int n);

static inline void mp_gate_notify(struct mp_gate *g, int n) {
  atomic_fetch_add(&g->seq, 1);
  if (atomic_load(&g->sleepers) > 0)
    mp_gate_wake(g, n);
}

#endif
