/*
** barrier.c: Barrier: processes that wait until enough of them are there
** MIT licence, see LICENSE
*/

#include "sync/barrier.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>

#include "base/code.h"
#include "os/clock.h"
#include "sync/keep.h"

static void barrier_destroy(struct mp_arena *a, mp_off off) {
  struct mp_barrier *b = mp_at(a, off);
  mp_seats_free(a, &b->guard, &b->seats);
  mp_keep_drop(a, &b->guard, &b->action);
}

void mp_barrier_setup(void) {
  mp_object_set_destroy(MP_T_BARRIER, barrier_destroy);
}

int mp_barrier_init(struct mp_barrier *b, uint32_t parties, int has_action,
                    int64_t timeout) {
  b->parties = parties;
  b->has_action = (uint32_t)has_action;
  b->timeout = timeout;
  int rc = mp_guard_init(&b->guard);
  return rc < 0 ? rc : mp_seats_init(&b->seats);
}

/* --- looking; without the guard ------------------------------------------- */

/* Place in the trip, MP_EBROKEN, or 0: neither yet. */
static int outcome(struct mp_barrier *b, const struct mp_barrier_wait *w) {
  uint32_t gen = atomic_load_explicit(&b->gen, memory_order_acquire);
  uint32_t pass = atomic_load_explicit(&w->seat->pass, memory_order_relaxed);
  if (pass != 0 && (int32_t)(gen - pass) >= 0)
    return (int)atomic_load_explicit(&w->seat->index, memory_order_relaxed);
  if (atomic_load(&b->broken) || atomic_load(&b->epoch) != w->epoch)
    return MP_EBROKEN;
  return 0;
}

/* --- counting and tripping; inside the guard ------------------------------ */

enum { IDLE, CANDIDATE }; /* seat->word */

static uint32_t next_gen(const struct mp_barrier *b) {
  uint32_t gen = atomic_load_explicit(&b->gen, memory_order_relaxed) + 1;
  return gen == 0 ? 1 : gen; /* a pass of 0 is none */
}

static int waits(struct mp_barrier *b, struct mp_seat *seat) {
  uint32_t pass = atomic_load_explicit(&seat->pass, memory_order_relaxed);
  return seat->epoch == atomic_load(&b->epoch) &&
         (pass == 0 || pass == next_gen(b)) && mp_seat_is_taken(seat);
}

/* Marks those who wait; how many came before `seat` (of all: NULL). */
static uint32_t count(struct mp_arena *a, struct mp_barrier *b,
                      const struct mp_seat *before) {
  struct mp_seats_walk w = {&b->seats, 0};
  struct mp_seat *seat;
  uint32_t n = 0;
  while ((seat = mp_seats_next(a, &w)) != NULL) {
    uint32_t mark = waits(b, seat) ? CANDIDATE : IDLE;
    atomic_store_explicit(&seat->word, mark, memory_order_relaxed);
    if (mark == CANDIDATE && (before == NULL || seat->ticket < before->ticket))
      n++;
  }
  return n;
}

/* How many of the marked came before? */
static uint32_t rank(struct mp_arena *a, struct mp_barrier *b,
                     const struct mp_seat *of) {
  struct mp_seats_walk w = {&b->seats, 0};
  struct mp_seat *seat;
  uint32_t n = 0;
  while ((seat = mp_seats_next(a, &w)) != NULL) {
    if (atomic_load_explicit(&seat->word, memory_order_relaxed) == CANDIDATE &&
        seat->ticket < of->ticket)
      n++;
  }
  return n;
}

static void give_pass(struct mp_seat *seat, uint32_t pass, uint32_t index) {
  atomic_store_explicit(&seat->index, index, memory_order_relaxed);
  atomic_store_explicit(&seat->pass, pass, memory_order_relaxed);
}

/* The oldest `parties` of those who wait go through. */
static void trip(struct mp_arena *a, struct mp_barrier *b) {
  struct mp_seats_walk w = {&b->seats, 0};
  struct mp_seat *seat;
  uint32_t gen = next_gen(b);
  count(a, b, NULL);
  while ((seat = mp_seats_next(a, &w)) != NULL) {
    if (atomic_load_explicit(&seat->word, memory_order_relaxed) != CANDIDATE)
      continue;
    uint32_t place = rank(a, b, seat);
    if (place < b->parties)
      give_pass(seat, gen, place + 1);
    else
      give_pass(seat, 0, 0);
  }
  atomic_store_explicit(&b->gen, gen, memory_order_release);
}

static int has_actor(struct mp_arena *a, struct mp_barrier *b) {
  if (b->actor == 0)
    return 0;
  struct mp_seat *seat = mp_at(a, b->actor);
  return waits(b, seat);
}

/*
** Are enough there, and is it for us to do something about it?  Trips, or
** makes us the actor (1).  The actor is among the first `parties`.
*/
static int try_trip(struct mp_arena *a, struct mp_barrier *b,
                    const struct mp_barrier_wait *w, int *tripped) {
  *tripped = 0;
  if (outcome(b, w) != 0 || has_actor(a, b) ||
      count(a, b, NULL) < b->parties || rank(a, b, w->seat) >= b->parties)
    return 0;
  if (b->has_action) {
    b->actor = mp_off_of(a, w->seat);
    return 1;
  }
  trip(a, b);
  *tripped = 1;
  return 0;
}

/* --- the steps of a wait -------------------------------------------------- */

int mp_barrier_begin(struct mp_arena *a, struct mp_barrier *b,
                     struct mp_barrier_wait *w) {
  int rc = mp_seat_take(a, &b->guard, &b->seats, &w->seat);
  if (rc < 0)
    return rc;
  give_pass(w->seat, 0, 0);
  w->epoch = w->seat->epoch = atomic_load(&b->epoch);
  if (b->actor == mp_off_of(a, w->seat))
    b->actor = 0; /* it died in this seat */
  rc = atomic_load(&b->broken) ? MP_EBROKEN : 0;
  if (rc < 0)
    mp_seat_leave(w->seat);
  mp_guard_leave(a, &b->guard);
  return rc;
}

/* Looks inside the guard.  0: nothing new, 1: we are the actor. */
static int look(struct mp_arena *a, struct mp_barrier *b,
                const struct mp_barrier_wait *w) {
  int tripped;
  int rc = mp_guard_enter(a, &b->guard);
  if (rc < 0)
    return rc;
  rc = try_trip(a, b, w, &tripped);
  mp_guard_leave(a, &b->guard);
  if (tripped)
    mp_gate_notify(&b->gate, INT_MAX);
  return rc;
}

/* Inside the guard nobody trips, so it is decided: through after all, or the
** barrier is broken by this timeout. */
static int give_up(struct mp_arena *a, struct mp_barrier *b,
                   struct mp_barrier_wait *w) {
  int rc = mp_guard_enter(a, &b->guard);
  if (rc < 0)
    return rc;
  rc = outcome(b, w);
  if (rc == 0)
    atomic_store(&b->broken, 1);
  mp_guard_leave(a, &b->guard);
  if (rc != 0)
    return rc;
  mp_gate_notify(&b->gate, INT_MAX);
  return -ETIMEDOUT;
}

/* 0: we are the actor; else as mp_barrier_step. */
static int wait_outcome(struct mp_arena *a, struct mp_barrier *b,
                        struct mp_barrier_wait *w, int64_t deadline) {
  uint32_t seen = mp_gate_seen(&b->gate);
  int rc = outcome(b, w);
  if (rc == 0 && (rc = look(a, b, w)) != 0)
    return rc < 0 ? rc : 0;
  while (rc == 0 && (rc = outcome(b, w)) == 0) {
    rc = mp_gate_wait(&b->gate, seen, deadline);
    if (rc == -ETIMEDOUT)
      return give_up(a, b, w);
    if (rc == 0 && mp_gate_seen(&b->gate) == seen)
      rc = -EINTR; /* a slice is over; the next call looks again */
    seen = mp_gate_seen(&b->gate);
  }
  return rc;
}

int mp_barrier_step(struct mp_arena *a, struct mp_barrier *b,
                    struct mp_barrier_wait *w, int64_t deadline) {
  int rc = wait_outcome(a, b, w, deadline);
  if (rc != 0 && rc != -EINTR)
    mp_seat_leave(w->seat);
  return rc;
}

int mp_barrier_done(struct mp_arena *a, struct mp_barrier *b,
                    struct mp_barrier_wait *w) {
  int rc = mp_guard_enter(a, &b->guard);
  if (rc < 0)
    return rc;
  rc = outcome(b, w);
  if (rc == 0)
    trip(a, b);
  mp_guard_leave(a, &b->guard);
  if (rc == 0)
    rc = outcome(b, w);
  mp_gate_notify(&b->gate, INT_MAX);
  mp_seat_leave(w->seat);
  return rc;
}

/* Who gave up may have been needed: the others look again at their slices. */
void mp_barrier_leave(struct mp_arena *a, struct mp_barrier *b,
                      struct mp_barrier_wait *w) {
  if (mp_guard_enter(a, &b->guard) < 0)
    return;
  if (b->actor == mp_off_of(a, w->seat))
    b->actor = 0;
  mp_seat_leave(w->seat);
  mp_guard_leave(a, &b->guard);
}

/* --- the whole barrier ---------------------------------------------------- */

int mp_barrier_abort(struct mp_arena *a, struct mp_barrier *b) {
  int rc = mp_guard_enter(a, &b->guard);
  if (rc < 0)
    return rc;
  atomic_store(&b->broken, 1);
  mp_guard_leave(a, &b->guard);
  mp_gate_notify(&b->gate, INT_MAX);
  return 0;
}

/* Epoch first: killed between the two stores, the barrier is still broken. */
int mp_barrier_reset(struct mp_arena *a, struct mp_barrier *b) {
  int rc = mp_guard_enter(a, &b->guard);
  if (rc < 0)
    return rc;
  atomic_fetch_add(&b->epoch, 1);
  atomic_store(&b->broken, 0);
  b->actor = 0;
  mp_guard_leave(a, &b->guard);
  mp_gate_notify(&b->gate, INT_MAX);
  return 0;
}

int mp_barrier_waiting(struct mp_arena *a, struct mp_barrier *b) {
  int rc = mp_guard_enter(a, &b->guard);
  if (rc < 0)
    return rc;
  rc = (int)count(a, b, NULL);
  mp_guard_leave(a, &b->guard);
  return rc;
}
