/*
** atomics.h: stands before a source that is explored (see world.h)
** MIT licence, see LICENSE
**
** Every atomic operation first lets the world decide who goes on.  One thread
** runs them all, so what follows may be as plain as it is.
*/

#ifndef MODEL_ATOMICS_H
#define MODEL_ATOMICS_H

#include <stdatomic.h>
#include <stdint.h>

void world_step(void);

static inline int model_swap(_Atomic uint32_t *word, uint32_t *seen,
                             uint32_t wanted) {
  world_step();
  uint32_t now = *word;
  if (now == *seen) {
    *word = wanted;
    return 1;
  }
  *seen = now;
  return 0;
}

static inline uint32_t model_or(_Atomic uint32_t *word, uint32_t bits) {
  world_step();
  uint32_t before = *word;
  *word = before | bits;
  return before;
}

static inline uint32_t model_add(_Atomic uint32_t *word, uint32_t n) {
  world_step();
  uint32_t before = *word;
  *word = before + n;
  return before;
}

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_fetch_or
#undef atomic_fetch_add
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak
#undef atomic_compare_exchange_weak_explicit

#define atomic_load(p) (world_step(), *(p))
#define atomic_load_explicit(p, order) atomic_load(p)
#define atomic_store(p, v) (world_step(), (void)(*(p) = (v)))
#define atomic_store_explicit(p, v, order) atomic_store(p, v)
#define atomic_fetch_or(p, v) model_or(p, v)
#define atomic_fetch_add(p, v) model_add(p, v)
#define atomic_compare_exchange_strong(p, seen, v) model_swap(p, seen, v)
#define atomic_compare_exchange_weak(p, seen, v) model_swap(p, seen, v)
#define atomic_compare_exchange_strong_explicit(p, seen, v, yes, no) \
  model_swap(p, seen, v)
#define atomic_compare_exchange_weak_explicit(p, seen, v, yes, no) \
  model_swap(p, seen, v)

#endif
