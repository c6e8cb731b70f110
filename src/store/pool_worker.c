/*
** pool_worker.c: the worker's side: slices out, results in
** MIT licence, see LICENSE
**
** A worker calls these for its own seat.  It may be killed anywhere; see
** pool.h for what its seat tells then.
*/

#include "store/pool.h"

#include <errno.h>
#include <string.h>

#include "base/code.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/futex.h"
#include "os/self.h"
#include "store/pool_in.h"

enum {
  BLOCK_MAX = 64 * 1024, /* a larger result gets one of its own size */
  BYTES_AN_ITEM = 16     /* first guess */
};

void mp_pool_sit(struct mp_pool_worker *w, struct mp_arena *a,
                 struct mp_pool *p, uint32_t seat, int bell) {
  memset(w, 0, sizeof *w);
  w->arena = a;
  w->pool = p;
  w->seat = &p->seats[seat];
  w->index = seat;
  w->bell = bell;
}

/* --- waiting for work -------------------------------------------------------- */

/*
** 1 work, 0 the end, -EAGAIN neither.  Of several workers that spin the first
** takes what comes alone: else they would all stay awake for the trickle of
** work that one can do, and cost the owner its processor.
*/
static int look(const struct mp_pool_worker *w) {
  struct mp_pool *p = w->pool;
  uint32_t state = atomic_load_explicit(&p->state, memory_order_acquire);
  if (state == MP_POOL_STOPPED)
    return 0;
  uint64_t pending = atomic_load_explicit(&p->pending, memory_order_acquire);
  if (pending >= (w->is_spare ? p->spinners : 1) && pending > 0)
    return 1;
  return state == MP_POOL_OPEN || pending > 0 ? -EAGAIN : 0;
}

static int spin(const struct mp_pool_worker *w) {
  struct mp_pool_patience t;
  mp_pool_patience_init(&t);
  if (w->is_spare)
    t.left /= 8;
  do {
    int rc = look(w);
    if (rc != -EAGAIN)
      return rc;
  } while (mp_pool_patient(&t));
  return -EAGAIN;
}

/* inside the guard: one that spins already makes us the spare one */
static void spin_in(struct mp_pool_worker *w) {
  w->is_spare = w->pool->spinners > 0;
  mp_pool_idle_in(w->arena, w->pool, w->seat, MP_POOL_SPINNING);
}

static int set_idle(struct mp_pool_worker *w, enum mp_pool_idle idle) {
  int rc = mp_guard_enter(w->arena, &w->pool->guard);
  if (rc < 0)
    return rc;
  mp_pool_idle_in(w->arena, w->pool, w->seat, idle);
  mp_guard_leave(w->arena, &w->pool->guard);
  return 0;
}

/*
** Announce, look again, sleep.  Who submits changes the event word after the
** line, inside the guard: either we see the work here, or he sees a sleeper.
*/
static int doze(struct mp_pool_worker *w) {
  struct mp_pool *p = w->pool;
  int rc = set_idle(w, MP_POOL_SLEEPING);
  if (rc < 0)
    return rc;
  uint32_t seen = atomic_load(&p->event);
  w->is_spare = 0;
  rc = look(w);
  if (rc == -EAGAIN)
    mp_futex_wait(&p->event, seen, MP_FOREVER);
  return set_idle(w, MP_POOL_SPINNING);
}

int mp_pool_wait(struct mp_pool_worker *w) {
  for (;;) {
    int rc = spin(w);
    if (rc != -EAGAIN)
      return rc;
    rc = doze(w);
    if (rc < 0)
      return rc;
  }
}

/* --- taking ------------------------------------------------------------------- */

/* guided: while there is much, as much as is wanted; near the end, half of
** an even share */
static uint32_t share(struct mp_pool *p, const struct mp_pool_batch *b,
                      uint32_t want) {
  if (b->chunk != 0)
    return b->chunk;
  uint64_t fair = p->pending / (2 * (uint64_t)p->nseats);
  uint64_t n = want < fair ? want : fair;
  return n == 0 ? 1 : (uint32_t)n;
}

/* the whole slice leaves the line; its hold becomes the seat's */
static int take_all_in(struct mp_pool_worker *w, struct mp_pool_slice *s,
                       struct mp_pool_litter *l) {
  struct mp_pool *p = w->pool;
  if (s->self != 0) {
    int rc = mp_hand_set(w->arena, &p->guard, s->self);
    if (rc < 0)
      return rc;
    l->slice = s->self;
  }
  mp_set64(w->arena, &p->guard, &p->first, s->next);
  if (s->next == 0)
    mp_set64(w->arena, &p->guard, &p->last, 0);
  return 0;
}

/* inside the guard: the first slice in line, or a part of it, is the seat's */
static int take_in(struct mp_pool_worker *w, uint32_t want,
                   struct mp_pool_litter *l) {
  struct mp_arena *a = w->arena;
  struct mp_pool *p = w->pool;
  struct mp_guard *g = &p->guard;
  struct mp_pool_slice *s = mp_pool_slice(a, p->first);
  struct mp_pool_batch *b = mp_pool_batch(a, s->batch);
  uint32_t n = share(p, b, want), from = s->from;
  int rc = 0;
  w->batch = b;
  mp_set64(a, g, &w->seat->batch, s->batch);
  if (n >= s->to - from) {
    n = s->to - from;
    rc = take_all_in(w, s, l);
  } else {
    mp_set32(a, g, &b->holders, b->holders + 1);
    mp_set32(a, g, &s->from, from + n);
  }
  mp_set32(a, g, &w->seat->from, from);
  mp_set32(a, g, &w->seat->to, from + n);
  mp_pool_set(a, p, &p->pending, p->pending - n);
  mp_pool_idle_in(a, p, w->seat, MP_POOL_WORKING);
  return rc;
}

/* An empty block is for the items from the seat's first on. */
static void address_block(const struct mp_pool_worker *w,
                          struct mp_pool_block *b) {
  if (w->batch == NULL)
    return;
  b->job = w->batch->job;
  b->first = w->batch->first + w->seat->from;
}

int mp_pool_take(struct mp_pool_worker *w, uint32_t want) {
  struct mp_pool_litter l = {0, 0, 0};
  struct mp_guard *g = &w->pool->guard;
  int rc = mp_guard_enter(w->arena, g);
  if (rc < 0)
    return rc;
  if (w->pool->first != 0) {
    rc = take_in(w, want, &l);
    if (rc < 0)
      mp_guard_undo(w->arena, g);
    else
      rc = 1;
  }
  mp_guard_leave(w->arena, g);
  if (rc == 1)
    mp_pool_litter_free(w->arena, &l);
  if (rc == 1 && w->block != NULL)
    address_block(w, w->block);
  return rc;
}

/* --- running ------------------------------------------------------------------ */

static void hold(struct mp_pool_seat *s) {
  atomic_store(&s->held, 1);
  while (atomic_load(&s->condemned))
    mp_futex_wait(&s->condemned, 1, MP_FOREVER);
  atomic_store(&s->held, 0);
}

/*
** Store running, then load condemned; the owner stores condemned, then loads
** running: seq_cst on both sides, so at least one of them sees the other.
*/
void mp_pool_begin(struct mp_pool_worker *w, uint32_t i) {
  struct mp_pool_seat *s = w->seat;
  if (w->batch->timeout != 0)
    atomic_store_explicit(&s->since, mp_now(), memory_order_relaxed);
  atomic_store(&s->running, i + 1);
  if (atomic_load(&s->condemned))
    hold(s);
}

/* --- results ------------------------------------------------------------------ */

/* an empty block, but for next and count */
static void init_block(const struct mp_pool_worker *w, struct mp_pool_block *b,
                       size_t room, int refs) {
  b->seat = w->index;
  b->used = sizeof *b;
  b->room = room;
  b->pid = (uint32_t)mp_self_pid();
  b->plain = room == MP_POOL_SMALL && !refs;
  b->job = b->first = 0;
  address_block(w, b);
}

/* a block for results, in hand */
static int alloc_block(struct mp_pool_worker *w, size_t size,
                       const mp_off *refs, uint32_t nrefs, mp_off *out) {
  int rc = mp_message_alloc(w->arena, size, refs, nrefs, out);
  if (rc < 0)
    return rc;
  struct mp_pool_block *b = mp_pool_block(w->arena, *out);
  b->next = 0;
  b->count = 0;
  init_block(w, b, size, nrefs > 0);
  return 0;
}

/* inside the guard: it becomes the seat's */
static void install_in(struct mp_pool_worker *w, mp_off block) {
  mp_hand_clear(w->arena, &w->pool->guard, block);
  mp_set64(w->arena, &w->pool->guard, &w->seat->block, block);
  w->block = mp_pool_block(w->arena, block);
}

static int new_block(struct mp_pool_worker *w, size_t size, const mp_off *refs,
                     uint32_t nrefs) {
  mp_off off;
  int rc = alloc_block(w, size, refs, nrefs, &off);
  if (rc < 0)
    return rc;
  rc = mp_guard_enter(w->arena, &w->pool->guard);
  if (rc < 0) {
    mp_message_free(w->arena, off);
    return rc;
  }
  install_in(w, off);
  mp_guard_leave(w->arena, &w->pool->guard);
  return 0;
}

static size_t block_size(const struct mp_pool_worker *w, size_t n) {
  size_t left = w->seat->to - w->seat->from;
  size_t guess = left < BLOCK_MAX / BYTES_AN_ITEM ? left * BYTES_AN_ITEM
                                                  : BLOCK_MAX;
  guess = guess > n ? guess : n;
  guess += sizeof(struct mp_pool_block);
  return guess < MP_POOL_SMALL ? MP_POOL_SMALL : guess;
}

void *mp_pool_room(struct mp_pool_worker *w, size_t n) {
  if (w->block != NULL && w->block->room - w->block->used < n &&
      mp_pool_flush(w) < 0)
    return NULL;
  if (w->block == NULL && new_block(w, block_size(w, n), NULL, 0) < 0)
    return NULL;
  return (unsigned char *)w->block + w->block->used;
}

void *mp_pool_room_refs(struct mp_pool_worker *w, size_t n, const mp_off *refs,
                        uint32_t nrefs) {
  if (mp_pool_flush(w) < 0 ||
      new_block(w, sizeof(struct mp_pool_block) + n, refs, nrefs) < 0)
    return NULL;
  return w->block + 1;
}

void mp_pool_publish(struct mp_pool_worker *w, size_t n) {
  struct mp_pool_block *b = w->block;
  b->used += n;
  /* pairs with the acquire of who hands the block in after our death, and
  ** with the guard when we do it ourselves */
  atomic_store_explicit(&b->count, b->count + 1, memory_order_release);
}

/*
** The owner arms, then looks for results; we hand in, then look whether it is
** armed: one of us sees the other.  Killed before the write, our death itself
** wakes the owner.
*/
static void ring(struct mp_pool_worker *w) {
  if (atomic_load(&w->pool->armed) && atomic_exchange(&w->pool->armed, 0))
    mp_fd_write(w->bell, "!", 1); /* full: it rings already */
}

int mp_pool_flush(struct mp_pool_worker *w) {
  struct mp_pool_litter l = {0, 0, 0};
  struct mp_pool *p = w->pool;
  if (w->block == NULL)
    return 0;
  int rc = mp_guard_enter(w->arena, &p->guard);
  if (rc < 0)
    return rc;
  rc = mp_pool_hand_in_in(w->arena, p, w->seat, &l);
  if (rc < 0)
    mp_guard_undo(w->arena, &p->guard);
  mp_guard_leave(w->arena, &p->guard);
  if (rc < 0)
    return rc;
  w->block = NULL;
  ring(w);
  mp_pool_litter_free(w->arena, &l);
  return 0;
}

/* What one turn of a worker changes, in one transaction. */
struct turn {
  mp_off slice; /* for what is given back; 0: nothing is */
  uint32_t want;
  uint64_t job;
};

/* inside the guard: a small batch that was this worker's alone becomes its
** next block; an empty one, see struct mp_pool_block */
static int reuse_in(struct mp_pool_worker *w) {
  struct mp_guard *g = &w->pool->guard;
  struct mp_pool_seat *s = w->seat;
  struct mp_pool_batch *b = w->batch;
  if (b == NULL || s->from < s->to || b->holders != 1 ||
      !(b->flags & MP_POOL_PLAIN))
    return 0;
  mp_set64(w->arena, g, &s->block, s->batch);
  mp_set64(w->arena, g, &b->whole.next, 0);
  mp_set64(w->arena, g, &s->batch, 0);
  w->block = (struct mp_pool_block *)(void *)b;
  return 1;
}

/* inside the guard; 1: there is a next slice */
static int turn_in(struct mp_pool_worker *w, const struct turn *t,
                   struct mp_pool_litter *l) {
  struct mp_pool *p = w->pool;
  int rc = mp_pool_hand_in_in(w->arena, p, w->seat, l);
  w->block = NULL;
  if (rc == 0 && !reuse_in(w))
    rc = mp_pool_give_up_in(w->arena, p, w->seat, t->slice, l);
  if (rc < 0)
    return rc;
  w->batch = NULL;
  if (t->want > 0 && p->first != 0 && p->state != MP_POOL_STOPPED) {
    const struct mp_pool_slice *s = mp_pool_slice(w->arena, p->first);
    int same = mp_pool_batch(w->arena, s->batch)->job == t->job;
    rc = take_in(w, same ? t->want : 1, l);
    return rc < 0 ? rc : 1;
  }
  spin_in(w);
  return 0;
}

static int take_turn(struct mp_pool_worker *w, const struct turn *t) {
  struct mp_pool_litter l = {0, 0, 0};
  struct mp_pool *p = w->pool;
  int rc = mp_guard_enter(w->arena, &p->guard);
  if (rc < 0)
    return rc;
  rc = turn_in(w, t, &l);
  if (rc < 0)
    mp_guard_undo(w->arena, &p->guard);
  uint32_t wanted = t->slice != 0 && rc >= 0 ? mp_pool_wanted_in(p) : 0;
  mp_guard_leave(w->arena, &p->guard);
  mp_pool_wake(p, wanted);
  if (rc < 0)
    return rc;
  ring(w);
  mp_pool_litter_free(w->arena, &l);
  return rc;
}

int mp_pool_next(struct mp_pool_worker *w, uint32_t want, uint64_t job) {
  struct mp_pool_seat *s = w->seat;
  struct turn t = {0, want, job};
  uint32_t done = s->from + (w->block != NULL ? w->block->count : 0);
  int rc = 0;
  if (done < s->to)
    rc = mp_alloc(w->arena, sizeof(struct mp_pool_slice), &t.slice);
  if (rc < 0)
    return rc;
  /* before the next slice, in which the number would mean another item */
  atomic_store(&s->running, 0);
  rc = take_turn(w, &t);
  if (rc >= 0 && w->block != NULL)
    init_block(w, w->block, MP_POOL_SMALL, 0);
  return rc;
}

int mp_pool_report(struct mp_pool_worker *w, const void *p, size_t n) {
  w->batch = NULL;
  int rc = new_block(w, sizeof(struct mp_pool_block) + n, NULL, 0);
  if (rc < 0)
    return rc;
  memcpy(w->block + 1, p, n);
  mp_pool_publish(w, n);
  return mp_pool_flush(w);
}
