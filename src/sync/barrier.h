/*
** barrier.h: Barrier: processes that wait until enough of them are there
** MIT licence, see LICENSE
**
** Who comes takes a seat (seat.h).  When `parties` live ones sit there, one of
** them runs the action, if there is one, and then trips the barrier:
**
**     each chosen seat:  pass = gen + 1, index = 1..parties
**     all others:        pass = 0
**     gen = gen + 1                              (release)  <- one store: done
**
** A waiter goes on when its seat has a pass and gen has reached it (gen loaded
** first, acquire).  Killed half-way, a trip has done nothing: the next one
** writes all passes anew.  The trippers are inside the guard; waiters read
** without it.
**
** broken and epoch are one store each as well: a barrier that is broken stays
** so until reset, which begins a new epoch: who waits with an older one finds
** it broken.  Dead waiters lose their seats by dying, so they do not count;
** waiters look at intervals whether enough are there, in case the one who
** should have tripped died.
*/

#ifndef MP_SYNC_BARRIER_H
#define MP_SYNC_BARRIER_H

#include <stdatomic.h>
#include <stdint.h>

#include "sync/gate.h"
#include "sync/seat.h"

#include "shm/object.h"

struct mp_barrier {
  struct mp_object head;
  struct mp_gate gate; /* tripped, broken or reset */
  _Atomic uint32_t gen;
  _Atomic uint32_t epoch;
  _Atomic uint32_t broken;
  uint32_t parties;
  uint32_t has_action;
  mp_off actor;   /* the seat whose owner runs the action, if it lives */
  mp_off action;  /* a message: the encoded function; 0: not sendable */
  int64_t timeout; /* default for waiters, ns; MP_FOREVER */
  struct mp_guard guard;
  struct mp_seats seats;
};

struct mp_barrier_wait {
  struct mp_seat *seat;
  uint32_t epoch;
};

void mp_barrier_setup(void); /* once a process */
int mp_barrier_init(struct mp_barrier *b, uint32_t parties, int has_action,
                    int64_t timeout);

/*
** begin comes first, and only after its 0 the others.  step waits:
**   n > 0: through, with place n; the seat is left
**   0: this process is to run the action, then to call mp_barrier_done
**   -ETIMEDOUT, MP_EBROKEN: the barrier is broken; the seat is left
**   -EINTR: call step again, or leave
** done: as step, without waiting (n > 0 or MP_EBROKEN).
** leave: for one who gives up (the barrier stays whole).
*/
int mp_barrier_begin(struct mp_arena *a, struct mp_barrier *b,
                     struct mp_barrier_wait *w);
int mp_barrier_step(struct mp_arena *a, struct mp_barrier *b,
                    struct mp_barrier_wait *w, int64_t deadline);
int mp_barrier_done(struct mp_arena *a, struct mp_barrier *b,
                    struct mp_barrier_wait *w);
void mp_barrier_leave(struct mp_arena *a, struct mp_barrier *b,
                      struct mp_barrier_wait *w);

int mp_barrier_abort(struct mp_arena *a, struct mp_barrier *b);
int mp_barrier_reset(struct mp_arena *a, struct mp_barrier *b);
int mp_barrier_waiting(struct mp_arena *a, struct mp_barrier *b);

static inline int mp_barrier_is_broken(const struct mp_barrier *b) {
  return atomic_load(&b->broken) != 0;
}

#endif
