/*
** guard.h: the internal lock with an undo log
** MIT licence, see LICENSE
**
** A guard protects one structure in the arena for microseconds.  Its holder
** may be killed between any two instructions, so each change of a word is
** written to the guard's undo log first:
**
**     mp_guard_enter      lock; if the last holder died, undo what it began
**       mp_set64(...)     log (place, old value); then store
**       mp_set64(...)
**     mp_guard_leave      empty the log: one store, the change is made; unlock
**
** Whoever locks next sees all of a transaction or nothing.  mp_guard_commit
** empties the log in the middle, for long work done in small steps, each of
** which leaves the structure valid.
**
** Inside a guard: no Lua call, no system call that can block, no other guard
** but the arena's own (order: a structure's guard, then the arena's), and no
** sweep (mp_slot_sweep*, mp_slot_take, mp_slot_drop).
** Stores to memory that nobody can reach yet (a fresh block) need no log.
**
** Only the compiler could reorder the log against the store it protects: the
** reader is another process that locks after the kernel has passed on the
** dead owner's mutex, which orders everything.  Hence signal fences, no more.
*/

#ifndef MP_SHM_GUARD_H
#define MP_SHM_GUARD_H

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "shm/arena.h"

enum { MP_UNDO_MAX = 24 }; /* logged words of one transaction */

struct mp_undo {
  mp_off place; /* lowest bit set: a 32-bit word */
  uint64_t old;
};

struct mp_guard {
  pthread_mutex_t mutex; /* robust, process-shared */
  _Atomic uint32_t used; /* entries of log that count */
  uint32_t repairs;      /* how often a dead holder's work was undone */
  struct mp_undo log[MP_UNDO_MAX];
};

int mp_guard_init(struct mp_guard *g); /* in zeroed or fresh arena memory */

/* Locks; repairs first where the last holder died.  0, MP_EPOISONED, or why
** this process has no slot.  Writes its place into this process's slot, so
** that a sweep can repair it before it frees what the dead one had in hand:
** after locking, for a holder that has changed nothing needs no repair. */
int mp_guard_enter(struct mp_arena *a, struct mp_guard *g);
void mp_guard_leave(struct mp_arena *a, struct mp_guard *g);

static inline void mp_guard_commit(struct mp_guard *g) {
  atomic_signal_fence(memory_order_seq_cst);
  atomic_store_explicit(&g->used, 0, memory_order_relaxed);
  atomic_signal_fence(memory_order_seq_cst);
}

/* Throws away what the open transaction did.  The caller stays inside. */
void mp_guard_undo(struct mp_arena *a, struct mp_guard *g);

static inline void mp_undo_note(struct mp_guard *g, mp_off place,
                                uint64_t old) {
  uint32_t n = atomic_load_explicit(&g->used, memory_order_relaxed);
  assert(n < MP_UNDO_MAX);
  g->log[n].place = place;
  g->log[n].old = old;
  atomic_signal_fence(memory_order_seq_cst);
  atomic_store_explicit(&g->used, n + 1, memory_order_relaxed);
  atomic_signal_fence(memory_order_seq_cst);
}

static inline void mp_set64(struct mp_arena *a, struct mp_guard *g,
                            uint64_t *word, uint64_t value) {
  mp_undo_note(g, mp_off_of(a, word), *word);
  *(volatile uint64_t *)word = value;
}

static inline void mp_set32(struct mp_arena *a, struct mp_guard *g,
                            uint32_t *word, uint32_t value) {
  mp_undo_note(g, mp_off_of(a, word) | 1, *word);
  *(volatile uint32_t *)word = value;
}

#endif
