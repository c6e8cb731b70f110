/*
** condition.h: Condition: waiting for a change of what a lock protects
** MIT licence, see LICENSE
**
** Each waiter sleeps on the word of its own seat (seat.h):
**
**     wait                               notify(n), lock held
**       take a seat: WAITING               the n oldest live seats:
**       release the lock, every level        CAS WAITING -> CALLED (release)
**       spin, then sleep on the word         wake where SLEEPS was set
**       exchange GONE (acquire):
**         it was CALLED? then notified
**       leave the seat, take the lock
**
** The CAS and the exchange decide together who was called, so a notification is
** never given to one who has left on its timeout; only live seats are called.
** Who notifies waits for nobody.
*/

#ifndef MP_SYNC_CONDITION_H
#define MP_SYNC_CONDITION_H

#include <stdint.h>

#include "sync/lock.h"
#include "sync/seat.h"

struct mp_condition {
  struct mp_lock own; /* used unless `other` is set */
  mp_off other;       /* a lock of the user's */
  mp_off keep;        /* the message that refers to it */
  struct mp_guard guard;
  struct mp_seats seats;
};

void mp_condition_setup(void); /* once a process */

/* other: the place of an object with a lock, to which the caller has a
** handle; 0: a recursive lock of its own. */
int mp_condition_init(struct mp_arena *a, struct mp_condition *c,
                      mp_off other);

struct mp_lock *mp_condition_lock(struct mp_arena *a, struct mp_condition *c);

struct mp_cond_wait {
  struct mp_seat *seat;
  uint32_t depth; /* of the lock, to be restored */
};

/* The steps of one wait.  begin: MP_ENOTOWNER without the lock.  sleep: 0,
** -ETIMEDOUT, -EINTR (call again).  end: 1 when it was called, else 0.
** relock: as mp_lock_acquire. */
int mp_condition_begin(struct mp_arena *a, struct mp_condition *c,
                       struct mp_cond_wait *w);
int mp_condition_sleep(struct mp_cond_wait *w, int64_t deadline);
int mp_condition_end(struct mp_cond_wait *w);
int mp_condition_relock(struct mp_arena *a, struct mp_condition *c,
                        const struct mp_cond_wait *w);

/* Calls up to n waiters; how many, or MP_ENOTOWNER. */
int mp_condition_notify(struct mp_arena *a, struct mp_condition *c, int n);

#endif
