/*
** pool.c: a pool's birth and end, and the steps that both sides take
** MIT licence, see LICENSE
*/

#include "store/pool.h"

#include <limits.h>
#include <sched.h>

#include "os/clock.h"
#include "os/futex.h"
#include "store/pool_in.h"

int mp_pool_init(struct mp_pool *p, uint32_t seats) {
  p->nseats = seats;
  return mp_guard_init(&p->guard);
}

/* --- patience --------------------------------------------------------------- */

enum {
  LOOKS = 8000,
  LOOKS_APART = 100, /* before the first yield, a processor for each side */
  LOOKS_TOGETHER = 8, /* and where they share one */
  LOOKS_A_YIELD = 32
};

#define PATIENCE_NS (30 * MP_MS / 1000)
#define SWITCH_NS   (3 * MP_MS / 2000) /* a yield that ran somebody else */

/* What the last yield told: did somebody wait for this processor?  Probably
** it was the other side, and will be again. */
static _Thread_local int together;

void mp_pool_patience_init(struct mp_pool_patience *t) {
  t->left = LOOKS;
  t->yields_in = together ? LOOKS_TOGETHER : LOOKS_APART;
  t->end = 0;
}

int mp_pool_run_out(struct mp_pool_patience *t) {
  int64_t now = mp_now();
  if (t->end == 0)
    t->end = now + PATIENCE_NS;
  t->left -= LOOKS_A_YIELD;
  if (t->left <= 0 || now > t->end)
    return 1;
  t->yields_in = LOOKS_A_YIELD;
  sched_yield();
  together = mp_now() - now > SWITCH_NS;
  return 0;
}

/* --- steps inside the guard ----------------------------------------------- */

void mp_pool_litter_free(struct mp_arena *a, const struct mp_pool_litter *l) {
  if (l->slice != 0)
    mp_free(a, l->slice);
  if (l->block != 0)
    mp_message_free(a, l->block);
  if (l->batch != 0)
    mp_message_free(a, l->batch);
}

int mp_pool_batch_drop_in(struct mp_arena *a, struct mp_pool *p, mp_off batch,
                          struct mp_pool_litter *l) {
  struct mp_pool_batch *b = mp_pool_batch(a, batch);
  if (b->holders == 1) {
    int rc = mp_hand_set(a, &p->guard, batch);
    if (rc < 0)
      return rc;
    l->batch = batch;
  }
  mp_set32(a, &p->guard, &b->holders, b->holders - 1);
  return 0;
}

static void link_block_in(struct mp_arena *a, struct mp_pool *p, mp_off off) {
  struct mp_guard *g = &p->guard;
  mp_off last = p->results_last;
  if (mp_pool_has_results(p)) {
    mp_set64(a, g, &mp_pool_block(a, last)->next, off);
    mp_set64(a, g, &p->results_last, off);
  } else {
    mp_set64(a, g, &p->results_last, off);
    mp_pool_set(a, p, &p->results, off);
  }
}

int mp_pool_hand_in_in(struct mp_arena *a, struct mp_pool *p,
                       struct mp_pool_seat *s, struct mp_pool_litter *l) {
  struct mp_guard *g = &p->guard;
  mp_off off = s->block;
  if (off == 0)
    return 0;
  /* the worker's own stores, or those of a dead one: ordered by the kernel */
  uint32_t count = atomic_load_explicit(&mp_pool_block(a, off)->count,
                                        memory_order_acquire);
  if (count == 0) {
    int rc = mp_hand_set(a, g, off);
    if (rc < 0)
      return rc;
    l->block = off;
  } else {
    link_block_in(a, p, off);
    mp_set32(a, g, &s->from, s->from + count);
  }
  mp_set64(a, g, &s->block, 0);
  return 0;
}

/* the seat's slice goes first in line, as `slice` */
static void put_back_in(struct mp_arena *a, struct mp_pool *p,
                        struct mp_pool_seat *s, mp_off slice) {
  struct mp_guard *g = &p->guard;
  struct mp_pool_slice *sl = mp_pool_slice(a, slice);
  sl->next = p->first; /* fresh: nobody can see it yet */
  sl->batch = s->batch;
  sl->self = slice;
  sl->from = s->from;
  sl->to = s->to;
  mp_hand_clear(a, g, slice);
  if (p->first == 0)
    mp_set64(a, g, &p->last, slice);
  mp_set64(a, g, &p->first, slice);
  mp_pool_set(a, p, &p->pending, p->pending + (sl->to - sl->from));
}

int mp_pool_give_up_in(struct mp_arena *a, struct mp_pool *p,
                       struct mp_pool_seat *s, mp_off slice,
                       struct mp_pool_litter *l) {
  if (s->batch == 0)
    return 0;
  if (s->from < s->to) {
    put_back_in(a, p, s, slice); /* the seat's hold becomes the slice's */
  } else {
    int rc = mp_pool_batch_drop_in(a, p, s->batch, l);
    if (rc < 0)
      return rc;
  }
  mp_set64(a, &p->guard, &s->batch, 0);
  return 0;
}

void mp_pool_idle_in(struct mp_arena *a, struct mp_pool *p,
                     struct mp_pool_seat *s, enum mp_pool_idle idle) {
  struct mp_guard *g = &p->guard;
  if (s->idle == (uint32_t)idle)
    return;
  if (s->idle == MP_POOL_SPINNING)
    mp_pool_set(a, p, &p->spinners, p->spinners - 1);
  else if (s->idle == MP_POOL_SLEEPING)
    mp_pool_set(a, p, &p->sleepers, p->sleepers - 1);
  if (idle == MP_POOL_SPINNING)
    mp_pool_set(a, p, &p->spinners, p->spinners + 1);
  else if (idle == MP_POOL_SLEEPING)
    mp_pool_set(a, p, &p->sleepers, p->sleepers + 1);
  mp_set32(a, g, &s->idle, (uint32_t)idle);
}

/* --- waking ---------------------------------------------------------------- */

/*
** A spinning worker finds the work by itself; waking a second one for it would
** cost both of them their processor.  Sleepers are counted until they are up
** again, so this may wake one too many, never one too few.
*/
uint32_t mp_pool_wanted_in(struct mp_pool *p) {
  uint64_t pending = p->pending, spinners = p->spinners;
  uint64_t sleepers = p->sleepers;
  if (pending <= spinners)
    return 0;
  uint64_t n = pending - spinners;
  n = n < sleepers ? n : sleepers;
  if (n > 0)
    atomic_fetch_add(&p->event, 1);
  return (uint32_t)n;
}

void mp_pool_wake(struct mp_pool *p, uint32_t n) {
  if (n > 0)
    mp_futex_wake(&p->event, n > INT_MAX ? INT_MAX : (int)n);
}

void mp_pool_set_state(struct mp_pool *p, enum mp_pool_state state) {
  if (atomic_load(&p->state) >= (uint32_t)state)
    return;
  atomic_store(&p->state, (uint32_t)state);
  atomic_fetch_add(&p->event, 1);
  mp_futex_wake(&p->event, INT_MAX);
}

/* --- the end --------------------------------------------------------------- */

/*
** Each step takes one thing out of the structure into the hand and frees it:
** killed anywhere, the sweeper frees the hand, then begins again.
*/

static int drop_slices(struct mp_arena *a, struct mp_pool *p, uint64_t *head) {
  struct mp_pool_litter l = {0, 0, 0};
  mp_off place = *head;
  if (place == 0)
    return 0;
  struct mp_pool_slice *s = mp_pool_slice(a, place);
  mp_off batch = s->batch;
  if (s->self != 0) {
    mp_hand_set(a, &p->guard, place);
    l.slice = place;
  }
  mp_set64(a, &p->guard, head, s->next);
  mp_pool_batch_drop_in(a, p, batch, &l);
  mp_guard_leave(a, &p->guard);
  mp_pool_litter_free(a, &l);
  mp_guard_enter(a, &p->guard);
  return 1;
}

/* the first of a chain of messages whose data begin with `next` */
static int drop_message(struct mp_arena *a, struct mp_pool *p,
                        uint64_t *head) {
  mp_off message = *head;
  if (message == 0)
    return 0;
  uint64_t *next = mp_message_data(a, message);
  mp_hand_set(a, &p->guard, message);
  mp_set64(a, &p->guard, head, *next);
  mp_guard_leave(a, &p->guard);
  mp_message_free(a, message);
  mp_guard_enter(a, &p->guard);
  return 1;
}

static void drop_seat(struct mp_arena *a, struct mp_pool *p,
                      struct mp_pool_seat *s) {
  struct mp_pool_litter l = {0, 0, 0};
  drop_message(a, p, &s->block);
  if (s->batch == 0)
    return;
  mp_pool_batch_drop_in(a, p, s->batch, &l);
  mp_set64(a, &p->guard, &s->batch, 0);
  mp_guard_leave(a, &p->guard);
  mp_pool_litter_free(a, &l);
  mp_guard_enter(a, &p->guard);
}

static void destroy(struct mp_arena *a, mp_off object) {
  struct mp_pool *p = mp_at(a, object);
  if (mp_guard_enter(a, &p->guard) < 0)
    return;
  for (uint32_t i = 0; i < p->nseats; i++)
    drop_seat(a, p, &p->seats[i]);
  while (drop_slices(a, p, &p->first) || drop_slices(a, p, &p->staged))
    continue;
  while (drop_message(a, p, (uint64_t *)&p->results) ||
         drop_message(a, p, &p->taken) || drop_message(a, p, &p->functions) ||
         drop_message(a, p, &p->spares))
    continue;
  mp_guard_leave(a, &p->guard);
}

void mp_pool_setup(void) {
  mp_object_set_destroy(MP_T_POOL, destroy);
}
