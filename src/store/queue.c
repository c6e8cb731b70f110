/*
** queue.c: a queue of encoded messages in the arena: put and get
** MIT licence, see LICENSE
**
** One guard protects the ring, the flags and the accounts of who took what;
** messages are encoded, copied and decoded outside it, but for those so short
** that the copy is cheaper than the block.
*/

#include "store/queue.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/code.h"
#include "shm/slot.h"
#include "store/queue_join.h"

enum { RUN = 32 }; /* short messages put under one hold of the guard */

/* --- birth and death ------------------------------------------------------ */

static void queue_destroy(struct mp_arena *a, mp_off object) {
  struct mp_queue *q = mp_at(a, object);
  mp_ring_clear(a, &q->guard, &q->ring);
  mp_word_free(a, &q->guard, &q->takers);
}

void mp_queue_setup(void) {
  mp_object_set_destroy(MP_T_QUEUE, queue_destroy);
}

int mp_queue_init(struct mp_queue *q, uint64_t maxsize, uint32_t flags) {
  q->maxsize = maxsize;
  q->flags = flags;
  return mp_guard_init(&q->guard);
}

int mp_queue_create(struct mp_arena *a, uint64_t maxsize, uint32_t flags,
                    mp_off *out, uint32_t *handle) {
  mp_off off;
  mp_queue_setup();
  int rc = mp_object_create(a, MP_T_QUEUE, sizeof(struct mp_queue), &off,
                            handle);
  if (rc < 0)
    return rc;
  rc = mp_queue_init(mp_at(a, off), maxsize, flags);
  if (rc < 0) {
    mp_object_detach(a, *handle);
    return rc;
  }
  *out = off;
  return 0;
}

/* --- waiting -------------------------------------------------------------- */

/* 0: look again; `late` when the deadline is over; -EINTR, also when a slice
** is over (a signal just before the sleep interrupts nothing). */
static int wait_at(struct mp_gate *g, uint32_t seen, int64_t deadline,
                   int late) {
  int rc = mp_gate_wait(g, seen, deadline);
  if (rc == 0 && mp_gate_seen(g) == seen)
    return -EINTR;
  return rc == -ETIMEDOUT ? late : rc;
}

static void tell(struct mp_arena *a, struct mp_queue *q, size_t n) {
  mp_gate_notify(&q->items, n > INT_MAX ? INT_MAX : (int)n);
  if (mp_watch_any(&q->watch))
    mp_watch_ring(a, &q->guard, &q->watch);
}

/* --- putting -------------------------------------------------------------- */

static int may_put(const struct mp_queue *q) {
  if (q->flags & MP_Q_SHUT)
    return MP_ESHUTDOWN;
  if (q->maxsize != 0 && mp_ring_count(&q->ring) >= q->maxsize)
    return MP_EFULL;
  return 0;
}

/* inside the guard: one message, one transaction */
static int push(struct mp_arena *a, struct mp_queue *q,
                const struct mp_parcel *p, mp_off block) {
  int rc = may_put(q);
  if (rc == 0)
    rc = mp_ring_push(a, &q->guard, &q->ring, p, block);
  if (rc < 0)
    return rc;
  if (q->flags & MP_Q_JOINABLE)
    mp_set64(a, &q->guard, &q->undone, q->undone + 1);
  mp_guard_commit(&q->guard);
  return 0;
}

static int needs_block(const struct mp_parcel *p) {
  return p->size > MP_INLINE_MAX || p->nrefs > 0;
}

/* The first message, which is readied, and short ones behind it as long as
** all goes well.  The number put, or why the first was not. */
static int push_run(struct mp_arena *a, struct mp_queue *q,
                    const struct mp_parcel *p, size_t n, mp_off block) {
  int put = 0;
  int rc = mp_guard_enter(a, &q->guard);
  if (rc < 0)
    return rc;
  rc = push(a, q, p, block);
  while (rc == 0 && ++put < RUN && (size_t)put < n && !needs_block(&p[put]))
    rc = push(a, q, &p[put], 0);
  mp_guard_leave(a, &q->guard);
  return put > 0 ? put : rc;
}

/* As push_run, but waits for room. */
static int put_run(struct mp_arena *a, struct mp_queue *q,
                   const struct mp_parcel *p, size_t n, int64_t deadline) {
  mp_off block;
  int rc = mp_parcel_ready(a, p, &block);
  if (rc < 0)
    return rc;
  for (;;) {
    uint32_t seen = mp_gate_seen(&q->room);
    int put = push_run(a, q, p, n, block);
    if (put > 0)
      return put;
    rc = put;
    if (rc == MP_EFULL)
      rc = wait_at(&q->room, seen, deadline, MP_EFULL);
    if (rc != 0)
      break;
  }
  if (block != 0)
    mp_message_free(a, block);
  return rc;
}

int mp_queue_put_many(struct mp_arena *a, struct mp_queue *q,
                      const struct mp_parcel *p, size_t n, int64_t deadline,
                      size_t *done) {
  *done = 0;
  while (*done < n) {
    int rc = put_run(a, q, p + *done, n - *done, deadline);
    if (rc < 0)
      return rc;
    *done += (size_t)rc;
    tell(a, q, (size_t)rc);
  }
  return 0;
}

int mp_queue_put(struct mp_arena *a, struct mp_queue *q,
                 const struct mp_parcel *p, int64_t deadline) {
  size_t done;
  return mp_queue_put_many(a, q, p, 1, deadline, &done);
}

/* --- getting -------------------------------------------------------------- */

/* inside the guard: one message, one transaction */
static int pop(struct mp_arena *a, struct mp_queue *q, uint32_t taker,
               void *small, struct mp_item *item, mp_off *garbage) {
  *garbage = 0;
  if (q->flags & MP_Q_DROPPED)
    return MP_ESHUTDOWN;
  struct mp_taker *account = mp_queue_taker(a, q, taker);
  if (account == NULL && taker != 0)
    return -EAGAIN;
  int rc = mp_ring_pop(a, &q->guard, &q->ring, small, item, garbage);
  if (rc == MP_EEMPTY && (q->flags & MP_Q_SHUT))
    return MP_ESHUTDOWN;
  if (rc < 0)
    return rc;
  if (account != NULL)
    mp_set64(a, &q->guard, &account->undone, account->undone + 1);
  mp_guard_commit(&q->guard);
  return 0;
}

/* Whose account a message is taken on: nobody's in a plain queue. */
static int taker_of(struct mp_arena *a, const struct mp_queue *q,
                    mp_proc *out) {
  *out = 0;
  return q->flags & MP_Q_JOINABLE ? mp_self_proc(a, out) : 0;
}

static void after_get(struct mp_arena *a, struct mp_queue *q, int n,
                      mp_off garbage) {
  if (garbage != 0)
    mp_free(a, garbage);
  if (n > 0 && q->maxsize != 0)
    mp_gate_notify(&q->room, n);
}

static int get_one(struct mp_arena *a, struct mp_queue *q, mp_proc taker,
                   void *small, struct mp_item *item) {
  mp_off garbage;
  int rc = mp_guard_enter(a, &q->guard);
  if (rc < 0)
    return rc;
  rc = pop(a, q, taker, small, item, &garbage);
  mp_guard_leave(a, &q->guard);
  after_get(a, q, rc == 0, garbage);
  return rc;
}

/* After a try that ended in rc: 0 to try again, or the end. */
static int get_again(struct mp_arena *a, struct mp_queue *q, int rc,
                     mp_proc taker, uint32_t seen, int64_t deadline) {
  if (rc == -EAGAIN)
    return mp_queue_open_account(a, q, taker);
  if (rc == MP_EEMPTY)
    return wait_at(&q->items, seen, deadline, MP_EEMPTY);
  return rc;
}

int mp_queue_get(struct mp_arena *a, struct mp_queue *q, void *small,
                 struct mp_item *item, int64_t deadline) {
  mp_proc taker;
  int rc = taker_of(a, q, &taker);
  while (rc == 0) {
    uint32_t seen = mp_gate_seen(&q->items);
    rc = get_one(a, q, taker, small, item);
    if (rc == 0)
      return 0;
    rc = get_again(a, q, rc, taker, seen, deadline);
  }
  return rc;
}

/* --- getting many --------------------------------------------------------- */

/* Does the next message fit into the batch? */
static int has_place(struct mp_arena *a, const struct mp_queue *q,
                     const struct mp_batch *b) {
  uint64_t size;
  int in_block;
  if (mp_ring_peek(a, &q->ring, &size, &in_block) < 0)
    return 0;
  return in_block ? b->blocks < MP_BATCH_BLOCKS
                  : b->used + size <= MP_BATCH_BYTES;
}

static void count_in(struct mp_batch *b) {
  const struct mp_item *item = &b->item[b->count++];
  if (item->block != 0)
    b->blocks++;
  else
    b->used += (item->size + 15) & ~UINT64_C(15);
}

static int get_some(struct mp_arena *a, struct mp_queue *q, mp_proc taker,
                    struct mp_batch *b, size_t max) {
  mp_off garbage = 0;
  b->count = b->blocks = 0;
  b->used = 0;
  int rc = mp_guard_enter(a, &q->guard);
  if (rc < 0)
    return rc;
  do {
    rc = pop(a, q, taker, b->bytes + b->used, &b->item[b->count], &garbage);
    if (rc == 0)
      count_in(b);
  } while (rc == 0 && garbage == 0 && b->count < max && b->count < MP_BATCH &&
           has_place(a, q, b));
  mp_guard_leave(a, &q->guard);
  after_get(a, q, (int)b->count, garbage);
  return b->count > 0 ? 0 : rc;
}

int mp_queue_get_many(struct mp_arena *a, struct mp_queue *q,
                      struct mp_batch *b, size_t max, int64_t deadline) {
  mp_proc taker;
  int rc = taker_of(a, q, &taker);
  while (rc == 0) {
    uint32_t seen = mp_gate_seen(&q->items);
    rc = get_some(a, q, taker, b, max);
    if (rc == 0)
      return 0;
    rc = get_again(a, q, rc, taker, seen, deadline);
  }
  return rc;
}

void mp_batch_free(struct mp_arena *a, struct mp_batch *b) {
  for (uint32_t i = 0; i < b->count; i++)
    mp_item_free(a, &b->item[i]);
  b->count = 0;
}

/* --- looking -------------------------------------------------------------- */

int64_t mp_queue_count(struct mp_arena *a, struct mp_queue *q) {
  int rc = mp_guard_enter(a, &q->guard);
  if (rc < 0)
    return rc;
  uint64_t n = q->flags & MP_Q_DROPPED ? 0 : mp_ring_count(&q->ring);
  mp_guard_leave(a, &q->guard);
  return (int64_t)n;
}

int mp_queue_is_ready(struct mp_arena *a, struct mp_queue *q) {
  return (q->flags & MP_Q_SHUT) != 0 || mp_queue_count(a, q) != 0;
}

int mp_queue_watch(struct mp_arena *a, struct mp_queue *q, uint32_t bell) {
  return mp_watch_add(a, &q->guard, &q->watch, bell);
}

void mp_queue_unwatch(struct mp_arena *a, struct mp_queue *q, uint32_t bell) {
  mp_watch_remove(a, &q->guard, &q->watch, bell);
}

/* --- ending --------------------------------------------------------------- */

int mp_queue_shutdown(struct mp_arena *a, struct mp_queue *q, int at_once) {
  uint32_t flags = at_once ? MP_Q_SHUT | MP_Q_DROPPED : MP_Q_SHUT;
  int rc = mp_guard_enter(a, &q->guard);
  if (rc < 0)
    return rc;
  mp_set32(a, &q->guard, &q->flags, q->flags | flags);
  mp_guard_leave(a, &q->guard);
  if (at_once)
    mp_queue_drop_all(a, q);
  mp_gate_notify(&q->room, INT_MAX);
  mp_gate_notify(&q->done, INT_MAX);
  tell(a, q, INT_MAX);
  return 0;
}
