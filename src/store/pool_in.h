/*
** pool_in.h: what the files of the pool share among themselves
** MIT licence, see LICENSE
**
** The functions that end in _in are called inside the pool's guard.
*/

#ifndef MP_STORE_POOL_IN_H
#define MP_STORE_POOL_IN_H

#include "store/pool.h"

/* A word that one side changes under the guard and others read without. */
static inline void mp_pool_set(struct mp_arena *a, struct mp_pool *p,
                               _Atomic uint64_t *word, uint64_t value) {
  mp_undo_note(&p->guard, mp_off_of(a, word),
               atomic_load_explicit(word, memory_order_relaxed));
  /* pairs with the loads of those who look without the guard; what they
  ** find they read inside it */
  atomic_store_explicit(word, value, memory_order_release);
}

static inline struct mp_pool_batch *mp_pool_batch(struct mp_arena *a,
                                                  mp_off message) {
  return mp_message_data(a, message);
}

static inline struct mp_pool_block *mp_pool_block(struct mp_arena *a,
                                                  mp_off message) {
  return mp_message_data(a, message);
}

static inline struct mp_pool_slice *mp_pool_slice(struct mp_arena *a,
                                                  mp_off place) {
  return mp_at(a, place);
}

/* What a transaction took out of the structure into this process's hand, to
** be freed after it. */
struct mp_pool_litter {
  mp_off batch, block, slice;
};

void mp_pool_litter_free(struct mp_arena *a, const struct mp_pool_litter *l);

/* One holder less; the batch comes into the litter with the last. */
int mp_pool_batch_drop_in(struct mp_arena *a, struct mp_pool *p, mp_off batch,
                          struct mp_pool_litter *l);

/* The seat's block of results is handed in, or is litter when it is empty;
** the seat's `from` moves on. */
int mp_pool_hand_in_in(struct mp_arena *a, struct mp_pool *p,
                       struct mp_pool_seat *s, struct mp_pool_litter *l);

/* The seat gives up its slice: the items from `from` on go first in line, by
** `slice`, a fresh block in hand, if there are any. */
int mp_pool_give_up_in(struct mp_arena *a, struct mp_pool *p,
                       struct mp_pool_seat *s, mp_off slice,
                       struct mp_pool_litter *l);

/* A seat goes from one way of being idle to another. */
void mp_pool_idle_in(struct mp_arena *a, struct mp_pool *p,
                     struct mp_pool_seat *s, enum mp_pool_idle idle);

/* How many workers must be woken for what is in line; for mp_pool_wake after
** the guard. */
uint32_t mp_pool_wanted_in(struct mp_pool *p);
void mp_pool_wake(struct mp_pool *p, uint32_t n);

#endif
