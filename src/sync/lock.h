/*
** lock.h: Lock and RLock, and the lock that other objects carry
** MIT licence, see LICENSE
**
** One futex word:
**
**     31         30        29 ............ 0
**   [ ABANDONED | WAITERS | owner, mp_proc ]      owner 0: free
**
** The owner is a process, by slot and generation, so a process that is dead is
** told from one that got its pid or its slot.  A waiter never sleeps longer
** than a slice: then it looks whether the owner lives, and takes the lock over
** by the same CAS that takes a free one.  Every change is one CAS, so there is
** nothing to repair, whoever is killed and wherever.
**
**   acquire: CAS 0 -> me                          (acquire; pairs with release)
**            else set WAITERS, sleep while unchanged, try again with WAITERS
**            set: others may sleep beside us
**   release: CAS me -> 0 (release), and wake one if WAITERS was set
**
** The woken one may be killed before it takes the lock, when WAITERS is gone
** already: the others look again after their slice.
**
** ABANDONED: the lock was taken from the dead by an access that could not
** report it (Value's `.value`); it stays set until an acquire has told it.
**
** `depth` is written by the owner alone, after the CAS and before the release;
** who takes a lock over sets it anew, so a dead owner's depth does not matter.
*/

#ifndef MP_SYNC_LOCK_H
#define MP_SYNC_LOCK_H

#include <stdatomic.h>
#include <stdint.h>

#include "shm/arena.h"
#include "shm/object.h"

/* The beginning of every object that has a lock: LOCK (not recursive), RLOCK,
** and CONDITION, VALUE, ARRAY, which carry a recursive one. */
struct mp_lock {
  struct mp_object head;
  _Atomic uint32_t word;
  uint32_t depth;
};

#define MP_LOCK_OWNER ((UINT32_C(1) << 30) - 1)
#define MP_LOCK_WAITERS (UINT32_C(1) << 30)
#define MP_LOCK_ABANDONED (UINT32_C(1) << 31)

/* Has this object a lock at its beginning? */
int mp_lock_is(struct mp_arena *a, mp_off off);

/* 0: taken; 1: taken from a holder that died; -ETIMEDOUT; -EINTR (call again;
** comes at intervals in any case); -EOVERFLOW (depth).  A recursive one that this process owns is taken once more. */
int mp_lock_acquire(struct mp_arena *a, struct mp_lock *l, int64_t deadline);

/* The same after a message that the holder has sent and will soon let go:
** spins a little first. */
int mp_lock_acquire_soon(struct mp_arena *a, struct mp_lock *l,
                         int64_t deadline);

/* Takes the lock from a holder that lives, but must not be waited for; that
** one asks mp_lock_is_mine before it goes on.  0, or -EAGAIN: `from` does not
** hold it any more. */
int mp_lock_take_over(struct mp_arena *a, struct mp_lock *l, uint32_t from);

/* 0, or MP_ENOTOWNER: nobody holds it; a recursive one: not this process. */
int mp_lock_release(struct mp_arena *a, struct mp_lock *l);

/* Does this process hold it? */
int mp_lock_is_mine(struct mp_arena *a, const struct mp_lock *l);

/* Does anybody hold it?  A dead holder holds it until it is taken over. */
static inline int mp_lock_is_held(const struct mp_lock *l) {
  return (atomic_load_explicit(&l->word, memory_order_relaxed) &
          MP_LOCK_OWNER) != 0;
}

/* For Condition: lets every level go, returns how many. */
uint32_t mp_lock_release_all(struct mp_lock *l);

/*
** For accesses under a lock: nothing to do when this process holds it, of
** whatever kind it is.  0: taken, 1: held already; or as mp_lock_acquire, but
** a dead holder is remembered for the next acquire.  leave: only after 0.
*/
int mp_lock_enter(struct mp_arena *a, struct mp_lock *l);
void mp_lock_leave(struct mp_lock *l);

#endif
