/*
** guard.c: the internal lock with an undo log
** MIT licence, see LICENSE
**
** Repair is repeatable: the log is read, not consumed; it is emptied when all
** is undone, and the mutex is marked consistent last.  Who is killed in
** between leaves the same work to the next.
*/

#include "shm/guard.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/code.h"
#include "shm/inner.h"

static int init_mutex(pthread_mutex_t *m) {
  pthread_mutexattr_t attr;
  int rc = pthread_mutexattr_init(&attr);
  if (rc != 0)
    return -rc;
  pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
  rc = pthread_mutex_init(m, &attr);
  pthread_mutexattr_destroy(&attr);
  return -rc;
}

int mp_guard_init(struct mp_guard *g) {
  memset(g, 0, sizeof *g);
  return init_mutex(&g->mutex);
}

static int undo_one(struct mp_arena *a, const struct mp_undo *u) {
  int narrow = (int)(u->place & 1);
  mp_off place = u->place & ~(mp_off)1;
  uint64_t size = narrow ? 4 : 8;
  if (place % size != 0 || !mp_arena_contains(a, place, size))
    return MP_EPOISONED;
  if (narrow)
    *(volatile uint32_t *)mp_at(a, place) = (uint32_t)u->old;
  else
    *(volatile uint64_t *)mp_at(a, place) = u->old;
  return 0;
}

static int undo_all(struct mp_arena *a, struct mp_guard *g) {
  uint32_t n = atomic_load_explicit(&g->used, memory_order_relaxed);
  int rc = n > MP_UNDO_MAX ? MP_EPOISONED : 0;
  while (rc == 0 && n > 0)
    rc = undo_one(a, &g->log[--n]);
  if (rc == 0)
    mp_guard_commit(g);
  return rc;
}

void mp_guard_undo(struct mp_arena *a, struct mp_guard *g) {
  if (undo_all(a, g) < 0)
    mp_poison(a);
}

int mp_poison(struct mp_arena *a) {
  atomic_store(&mp_head(a)->poisoned, 1);
  return MP_EPOISONED;
}

/* The mutex is ours, its last owner died inside. */
static int repair(struct mp_arena *a, struct mp_guard *g) {
  if (undo_all(a, g) < 0) {
    pthread_mutex_unlock(&g->mutex); /* not recoverable, for anybody */
    return mp_poison(a);
  }
  g->repairs++;
  atomic_signal_fence(memory_order_seq_cst);
  pthread_mutex_consistent(&g->mutex);
  return 0;
}

static int lock(struct mp_arena *a, struct mp_guard *g) {
  int rc = pthread_mutex_lock(&g->mutex);
  if (rc == EOWNERDEAD)
    rc = repair(a, g);
  else if (rc != 0)
    rc = mp_poison(a);
  if (rc < 0)
    return rc;
  if (atomic_load_explicit(&mp_head(a)->poisoned, memory_order_relaxed)) {
    pthread_mutex_unlock(&g->mutex);
    return MP_EPOISONED;
  }
  return 0;
}

/* A sweep takes these two anyway. */
static int is_noted(const struct mp_arena *a, const struct mp_guard *g) {
  return g != &mp_head(a)->guard && g != &mp_head(a)->sweep;
}

/*
** More than MP_HOLDING threads of one process at once: the next ones wait; they
** hold nothing that the others need, for guards do not nest.
*/
static void note_holding(struct mp_arena *a, const struct mp_guard *g) {
  struct mp_slot *s = a->self_slot;
  mp_off off = mp_off_of(a, g);
  for (;; sched_yield()) {
    for (int i = 0; i < MP_HOLDING; i++) {
      uint64_t none = 0;
      if (atomic_load_explicit(&s->holding[i], memory_order_relaxed) == 0 &&
          atomic_compare_exchange_strong(&s->holding[i], &none, off))
        return;
    }
  }
}

static void forget_holding(struct mp_arena *a, const struct mp_guard *g) {
  struct mp_slot *s = a->self_slot;
  mp_off off = mp_off_of(a, g);
  for (int i = 0; i < MP_HOLDING; i++) {
    if (atomic_load_explicit(&s->holding[i], memory_order_relaxed) == off) {
      atomic_store_explicit(&s->holding[i], 0, memory_order_release);
      return;
    }
  }
}

int mp_guard_enter(struct mp_arena *a, struct mp_guard *g) {
  if (!is_noted(a, g))
    return lock(a, g);
  int rc = mp_self_need(a);
  if (rc == 0)
    rc = lock(a, g);
  if (rc == 0)
    note_holding(a, g);
  return rc;
}

/* Entries of the hand that a structure's transaction emptied are free for
** other threads only when it can no longer be undone. */
void mp_guard_leave(struct mp_arena *a, struct mp_guard *g) {
  mp_guard_commit(g);
  if (is_noted(a, g))
    forget_holding(a, g);
  mp_hand_settle(a, g);
  pthread_mutex_unlock(&g->mutex);
}
