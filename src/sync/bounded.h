/*
** bounded.h: BoundedSemaphore: units that belong to processes
** MIT licence, see LICENSE
**
**   value + sum of the holders' units == bound, always
**
** Several words that must agree, so they change under a guard with its undo
** log.  Who finds no unit left looks whether a holder is dead and gives its
** units back.  A release by a process that holds none is on behalf of another
** holder, whichever: the sum stays right.
*/

#ifndef MP_SYNC_BOUNDED_H
#define MP_SYNC_BOUNDED_H

#include <stdint.h>

#include "shm/guard.h"
#include "shm/object.h"
#include "sync/gate.h"

struct mp_holder {
  uint32_t proc;
  uint32_t units; /* 0: a free entry */
};

enum { MP_HOLDERS = 8 };

struct mp_bounded {
  struct mp_object head;
  struct mp_gate gate; /* a unit was released */
  uint32_t value;
  uint32_t bound;
  mp_off more;   /* a larger table, instead of `first`; 0: none */
  uint64_t room; /* entries of the table in use */
  struct mp_guard guard;
  struct mp_holder first[MP_HOLDERS];
};

void mp_bounded_setup(void); /* once a process */
int mp_bounded_init(struct mp_bounded *b, uint32_t value);

/* 0, -ETIMEDOUT, -EINTR, or why the holder cannot be noted. */
int mp_bounded_acquire(struct mp_arena *a, struct mp_bounded *b,
                       int64_t deadline);
/* 0, or -EOVERFLOW: all units are there. */
int mp_bounded_release(struct mp_arena *a, struct mp_bounded *b);
/* Units that are free, those of dead holders included. */
int64_t mp_bounded_value(struct mp_arena *a, struct mp_bounded *b);

#endif
