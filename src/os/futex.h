/*
** futex.h: sleeping on a word that processes share
** MIT licence, see LICENSE
**
** The word lies in shared memory (not FUTEX_PRIVATE).  The calls go through
** mp_futex_ops, so that tests can count them and put themselves in between.
*/

#ifndef MP_OS_FUTEX_H
#define MP_OS_FUTEX_H

#include <stdatomic.h>
#include <stdint.h>

struct mp_futex_ops {
  int (*wait)(_Atomic uint32_t *word, uint32_t seen, int64_t deadline);
  int (*wake)(_Atomic uint32_t *word, int n);
};

extern struct mp_futex_ops mp_futex_ops;

/*
** Sleeps while *word == seen, until the deadline (see clock.h).
** 0: woken, or the word had changed; spurious returns happen.
** -ETIMEDOUT, or -EINTR when a signal handler ran.
*/
static inline int mp_futex_wait(_Atomic uint32_t *word, uint32_t seen,
                                int64_t deadline) {
  return mp_futex_ops.wait(word, seen, deadline);
}

/* Wakes up to n sleepers; returns how many.  About 190 ns with nobody there:
** call it only when somebody sleeps. */
static inline int mp_futex_wake(_Atomic uint32_t *word, int n) {
  return mp_futex_ops.wake(word, n);
}

#endif
