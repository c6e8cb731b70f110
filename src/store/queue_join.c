/*
** queue_join.c: who took what from a joinable queue
** MIT licence, see LICENSE
*/

#include "store/queue_join.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/code.h"

enum { FIRST_TAKERS = 8 };

/* --- accounts ------------------------------------------------------------- */

static struct mp_taker *table_of(struct mp_arena *a,
                                 const struct mp_queue *q) {
  return mp_at(a, q->takers);
}

struct mp_taker *mp_queue_taker(struct mp_arena *a, struct mp_queue *q,
                                mp_proc p) {
  struct mp_taker *t = table_of(a, q);
  for (uint32_t i = 0; p != 0 && i < q->ntakers; i++)
    if (t[i].proc == p)
      return &t[i];
  return NULL;
}

static struct mp_taker *free_account(struct mp_arena *a,
                                     const struct mp_queue *q) {
  struct mp_taker *t = table_of(a, q);
  for (uint32_t i = 0; i < q->ntakers; i++)
    if (t[i].undone == 0)
      return &t[i];
  return NULL;
}

/* inside the guard: a table twice as large; the old one is in the hand then,
** *garbage */
static int grow(struct mp_arena *a, struct mp_queue *q, mp_off *garbage) {
  uint32_t n = q->ntakers == 0 ? FIRST_TAKERS : q->ntakers * 2;
  mp_off off, old = q->takers;
  int rc = mp_alloc(a, n * sizeof(struct mp_taker), &off);
  if (rc < 0)
    return rc;
  memset(mp_at(a, off), 0, n * sizeof(struct mp_taker));
  memcpy(mp_at(a, off), table_of(a, q), q->ntakers * sizeof(struct mp_taker));
  if (old != 0 && mp_hand_set(a, &q->guard, old) < 0) {
    mp_free(a, off);
    return -EBUSY;
  }
  mp_hand_clear(a, &q->guard, off);
  mp_set64(a, &q->guard, &q->takers, off);
  mp_set32(a, &q->guard, &q->ntakers, n);
  *garbage = old;
  return 0;
}

int mp_queue_open_account(struct mp_arena *a, struct mp_queue *q, mp_proc p) {
  mp_off garbage = 0;
  int rc = mp_guard_enter(a, &q->guard);
  if (rc < 0)
    return rc;
  if (free_account(a, q) == NULL)
    rc = grow(a, q, &garbage);
  if (rc == 0)
    mp_set32(a, &q->guard, &free_account(a, q)->proc, p);
  mp_guard_leave(a, &q->guard);
  if (garbage != 0)
    mp_free(a, garbage);
  return rc;
}

/* A copy of the accounts that owe something, outside the guard; *n of them,
** *rest the undone messages that nobody took.  To be freed. */
static struct mp_taker *debtors(struct mp_arena *a, struct mp_queue *q,
                                size_t *n, uint64_t *rest) {
  size_t room = *(volatile uint32_t *)&q->ntakers, count = 0;
  struct mp_taker *copy = calloc(room + 1, sizeof(*copy));
  if (copy == NULL || mp_guard_enter(a, &q->guard) < 0) {
    free(copy);
    return NULL;
  }
  const struct mp_taker *t = table_of(a, q);
  *rest = q->undone;
  for (uint32_t i = 0; i < q->ntakers && count < room; i++) {
    *rest -= t[i].undone;
    if (t[i].undone > 0)
      copy[count++] = t[i];
  }
  mp_guard_leave(a, &q->guard);
  *n = count;
  return copy;
}

/* Somebody dead who owes, or 0. */
static mp_proc dead_debtor(struct mp_arena *a, struct mp_queue *q) {
  size_t n;
  uint64_t rest;
  mp_proc found = 0;
  struct mp_taker *t = debtors(a, q, &n, &rest);
  for (size_t i = 0; t != NULL && found == 0 && i < n; i++)
    if (!mp_proc_runs(a, t[i].proc))
      found = t[i].proc;
  free(t);
  return found;
}

/* Was all that is undone taken, and by the dead? */
static int is_lost(struct mp_arena *a, struct mp_queue *q) {
  size_t n;
  uint64_t rest = 1;
  struct mp_taker *t = debtors(a, q, &n, &rest);
  if (t == NULL)
    return 0;
  int lost = n > 0 && rest == 0;
  for (size_t i = 0; lost && i < n; i++)
    lost = !mp_proc_runs(a, t[i].proc);
  free(t);
  return lost;
}

/* --- task_done ------------------------------------------------------------ */

/* inside the guard: whose account is settled: the caller's own, a dead one's,
** anybody's; NULL when what is undone was not taken yet */
static struct mp_taker *to_settle(struct mp_arena *a, struct mp_queue *q,
                                  mp_proc self, mp_proc dead) {
  struct mp_taker *own = mp_queue_taker(a, q, self);
  struct mp_taker *theirs = mp_queue_taker(a, q, dead);
  if (own != NULL && own->undone > 0)
    return own;
  if (theirs != NULL && theirs->undone > 0)
    return theirs;
  struct mp_taker *t = table_of(a, q);
  for (uint32_t i = 0; i < q->ntakers; i++)
    if (t[i].undone > 0)
      return &t[i];
  return NULL;
}

/* One message less on that account.  The number that was undone before it, or
** a negative code: MP_EEMPTY, nothing was. */
static int64_t settle(struct mp_arena *a, struct mp_queue *q, mp_proc self,
                      mp_proc dead) {
  int rc = mp_guard_enter(a, &q->guard);
  if (rc < 0)
    return rc;
  uint64_t left = q->undone;
  struct mp_taker *t = left > 0 ? to_settle(a, q, self, dead) : NULL;
  if (t != NULL)
    mp_set64(a, &q->guard, &t->undone, t->undone - 1);
  if (left > 0)
    mp_set64(a, &q->guard, &q->undone, left - 1);
  mp_guard_leave(a, &q->guard);
  return left > 0 ? (int64_t)left : MP_EEMPTY;
}

/* A hint: only this process changes its own account by taking. */
static int owes(struct mp_arena *a, struct mp_queue *q, mp_proc self) {
  int rc = mp_guard_enter(a, &q->guard);
  if (rc < 0)
    return rc;
  const struct mp_taker *own = mp_queue_taker(a, q, self);
  rc = own != NULL && own->undone > 0;
  mp_guard_leave(a, &q->guard);
  return rc;
}

int mp_queue_task_done(struct mp_arena *a, struct mp_queue *q) {
  mp_proc self;
  int rc = mp_self_proc(a, &self);
  if (rc == 0)
    rc = owes(a, q, self);
  if (rc < 0)
    return rc;
  int64_t before = settle(a, q, self, rc ? 0 : dead_debtor(a, q));
  if (before == 1)
    mp_gate_notify(&q->done, INT_MAX);
  return before < 0 ? (int)before : 0;
}

/* --- join ----------------------------------------------------------------- */

static int is_done(struct mp_arena *a, struct mp_queue *q) {
  int rc = mp_guard_enter(a, &q->guard);
  if (rc < 0)
    return rc;
  rc = q->undone == 0;
  mp_guard_leave(a, &q->guard);
  return rc;
}

int mp_queue_join(struct mp_arena *a, struct mp_queue *q, int64_t deadline) {
  for (;;) {
    uint32_t seen = mp_gate_seen(&q->done);
    mp_queue_drop_all(a, q); /* what a dead process's shutdown left */
    int rc = is_done(a, q);
    if (rc != 0)
      return rc < 0 ? rc : 0;
    if (is_lost(a, q))
      return MP_ELOST;
    rc = mp_gate_wait(&q->done, seen, deadline);
    if (rc == 0 && mp_gate_seen(&q->done) == seen)
      rc = -EINTR; /* a slice is over: see mp_slice_over */
    if (rc < 0)
      return rc;
  }
}

/* --- shutdown(true) ------------------------------------------------------- */

static int drop_one(struct mp_arena *a, struct mp_queue *q) {
  unsigned char small[MP_INLINE_MAX];
  struct mp_item item;
  mp_off garbage;
  int rc = mp_guard_enter(a, &q->guard);
  if (rc < 0)
    return rc;
  rc = mp_ring_pop(a, &q->guard, &q->ring, small, &item, &garbage);
  if (rc == 0 && q->undone > 0)
    mp_set64(a, &q->guard, &q->undone, q->undone - 1);
  mp_guard_leave(a, &q->guard);
  if (garbage != 0)
    mp_free(a, garbage);
  if (rc == 0)
    mp_item_free(a, &item);
  return rc;
}

void mp_queue_drop_all(struct mp_arena *a, struct mp_queue *q) {
  while ((q->flags & MP_Q_DROPPED) && drop_one(a, q) == 0)
    ;
}
