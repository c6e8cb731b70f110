/*
** hand.c: blocks that a process has in hand
** MIT licence, see LICENSE
**
** The entries lie in the slot, for a sweep to find.  Which of them are spoken
** for is private memory of the process, a bit each: a thread claims the bit
** first, and the bit is given back when the guard is left under which the
** entry was emptied, not before.  Else a transaction that is undone after
** the process died could write an old block over another thread's new one.
*/

#include <errno.h>

#include "base/code.h"
#include "shm/inner.h"

/* What this thread changed under the guard it is in.  Two are enough: a
** structure's guard and, inside, the arena's. */
struct touched {
  const struct mp_guard *guard;
  uint32_t mask;
};

static _Thread_local struct touched touched[2];

static void touch(const struct mp_guard *g, int entry) {
  struct touched *t = touched[0].guard == g || touched[0].mask == 0
                        ? &touched[0]
                        : &touched[1];
  t->guard = g;
  t->mask |= UINT32_C(1) << entry;
}

int mp_hand_claim(struct mp_arena *a) {
  uint32_t busy = atomic_load_explicit(&a->hand_busy, memory_order_relaxed);
  for (;;) {
    if (busy == UINT32_MAX)
      return -EBUSY;
    int entry = __builtin_ctz(~busy);
    if (atomic_compare_exchange_weak(&a->hand_busy, &busy,
                                     busy | UINT32_C(1) << entry))
      return entry;
  }
}

void mp_hand_unclaim(struct mp_arena *a, int entry) {
  atomic_fetch_and(&a->hand_busy, ~(UINT32_C(1) << entry));
}

void mp_hand_put(struct mp_arena *a, struct mp_guard *g, int entry,
                 mp_off block) {
  mp_set64(a, g, &a->self_slot->hand[entry], block);
  touch(g, entry);
}

/* Another thread may change its entry meanwhile: one word, and to our block it
** changes never. */
int mp_hand_find(struct mp_arena *a, mp_off block) {
  uint32_t busy = atomic_load_explicit(&a->hand_busy, memory_order_relaxed);
  for (; busy != 0; busy &= busy - 1) {
    int entry = __builtin_ctz(busy);
    if (((volatile uint64_t *)a->self_slot->hand)[entry] == block)
      return entry;
  }
  return -1;
}

static void settle(struct mp_arena *a, struct touched *t) {
  for (; t->mask != 0; t->mask &= t->mask - 1) {
    int entry = __builtin_ctz(t->mask);
    if (a->self_slot->hand[entry] == 0)
      mp_hand_unclaim(a, entry);
  }
  t->guard = NULL;
}

void mp_hand_settle(struct mp_arena *a, const struct mp_guard *g) {
  for (int i = 0; i < 2; i++) {
    if (touched[i].guard == g && touched[i].mask != 0)
      settle(a, &touched[i]);
  }
}

void mp_hand_clear(struct mp_arena *a, struct mp_guard *g, mp_off block) {
  int entry = mp_hand_find(a, block);
  assert(entry >= 0);
  mp_hand_put(a, g, entry, 0);
}

int mp_hand_set(struct mp_arena *a, struct mp_guard *g, mp_off block) {
  int entry = mp_hand_claim(a);
  if (entry < 0)
    return entry;
  mp_hand_put(a, g, entry, block);
  return 0;
}

static int free_entry(const struct mp_slot *s) {
  for (int i = 0; i < MP_HAND; i++) {
    if (s->hand[i] == 0)
      return i;
  }
  return -EBUSY;
}

/* Nobody works in the other slot yet, so its entries need no claim. */
int mp_hand_give(struct mp_arena *a, mp_off block, mp_proc to) {
  int rc = mp_enter(a);
  if (rc < 0)
    return rc;
  struct mp_slot *s = mp_slot_of(a, to);
  rc = s != NULL && s->state == MP_STARTING ? free_entry(s) : MP_ELOST;
  if (rc >= 0) {
    mp_set64(a, mp_log(a), &s->hand[rc], block);
    mp_hand_clear(a, mp_log(a), block);
  }
  mp_leave(a);
  return rc < 0 ? rc : 0;
}
