/*
** watch.h: who is to be told by bell when a shared structure changes
** MIT licence, see LICENSE
**
** Part of the structure, under its guard.  An entry is one word, so an entry
** is there or not; those of dead processes go when their bell is rung.
*/

#ifndef MP_STORE_WATCH_H
#define MP_STORE_WATCH_H

#include <stdint.h>

#include "shm/arena.h"
#include "shm/guard.h"

enum { MP_WATCHERS = 16 };

struct mp_watch {
  uint32_t bell[MP_WATCHERS]; /* names, see os/bell.h; 0: free */
};

/* Enters and leaves the list.  add: 0, -EBUSY when it is full, MP_EPOISONED. */
int mp_watch_add(struct mp_arena *a, struct mp_guard *g, struct mp_watch *w,
                 uint32_t bell);
void mp_watch_remove(struct mp_arena *a, struct mp_guard *g,
                     struct mp_watch *w, uint32_t bell);

/* Without the guard: is there anybody?  Then rings all of them. */
int mp_watch_any(const struct mp_watch *w);
void mp_watch_ring(struct mp_arena *a, struct mp_guard *g, struct mp_watch *w);

#endif
