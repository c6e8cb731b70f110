/*
** cells.h: Value and Array: numbers of a C type in the arena, with a lock
** MIT licence, see LICENSE
**
**   [ lock | other lock | type, flags | length | cell, cell ... | kept ]
**     32     8            8             8        56: a Value is one cache line
**
** A cell is read and written by one load or store of its width, so it is never
** torn, whoever is killed; the lock makes several accesses one.  Without a lock
** (raw), add and cas are compare-and-swap on the cell: relaxed, for the cell
** publishes nothing but itself.
**
** `kept` is there only with a lock of the user's: what refers to it.
*/

#ifndef MP_STORE_CELLS_H
#define MP_STORE_CELLS_H

#include <stddef.h>
#include <stdint.h>

#include "sync/lock.h"

enum mp_type_class { MP_INT, MP_UINT, MP_FLOAT, MP_CHAR };

struct mp_type {
  char code;
  uint8_t width;
  uint8_t class;
  int64_t min, max; /* of the integer types */
};

enum { MP_CELLS_RAW = 1 };

struct mp_cells {
  struct mp_lock own;
  mp_off other;
  uint8_t type; /* index, see mp_type_at */
  uint8_t flags;
  uint16_t spare;
  uint32_t spare2;
  uint64_t length;
  unsigned char data[];
};

/* A cell's content: what of it counts is the type's affair. */
union mp_cell {
  int64_t i;
  double d;
};

void mp_cells_setup(void); /* once a process */

enum { MP_TYPES = 13 };
extern const struct mp_type mp_types[MP_TYPES];

/* The index of a type code, or -1; and what it is. */
int mp_type_index(char code);

static inline const struct mp_type *mp_type_at(int index) {
  return &mp_types[(unsigned)index < MP_TYPES ? index : 0];
}

/* Bytes of an object of that many cells; 0: more than there can be. */
size_t mp_cells_size(int type, uint64_t length, int with_other);
/* other: the place of a lock that the caller has a handle of, or 0. */
int mp_cells_init(struct mp_arena *a, struct mp_cells *c, int type,
                  uint64_t length, int flags, mp_off other);

static inline const struct mp_type *mp_cells_type(const struct mp_cells *c) {
  return mp_type_at(c->type);
}

static inline struct mp_lock *mp_cells_lock(struct mp_arena *a,
                                            struct mp_cells *c) {
  return c->other != 0 ? mp_at(a, c->other) : &c->own;
}

static inline void *mp_cells_at(struct mp_cells *c, uint64_t i) {
  return c->data + i * mp_cells_type(c)->width;
}

/* Does it fit?  1 or 0. */
static inline int mp_cell_fits(const struct mp_type *t, int64_t i) {
  return i >= t->min && i <= t->max;
}

union mp_cell mp_cell_load_narrow(const struct mp_type *t, const void *place);
void mp_cell_store_narrow(const struct mp_type *t, void *place,
                          union mp_cell v);

/* Cells of 8 bytes are the common case; integer or double, the bits are the
** cell's. */
static inline union mp_cell mp_cell_load(const struct mp_type *t,
                                         const void *place) {
  if (t->width != 8)
    return mp_cell_load_narrow(t, place);
  return (union mp_cell){.i = atomic_load_explicit(
                             (const _Atomic int64_t *)place,
                             memory_order_relaxed)};
}

static inline void mp_cell_store(const struct mp_type *t, void *place,
                                 union mp_cell v) {
  if (t->width != 8)
    mp_cell_store_narrow(t, place, v);
  else
    atomic_store_explicit((_Atomic int64_t *)place, v.i, memory_order_relaxed);
}

/* v + n.  -ERANGE when it does not fit. */
int mp_cell_sum(const struct mp_type *t, union mp_cell v, union mp_cell n,
                union mp_cell *sum);
int mp_cell_equal(const struct mp_type *t, union mp_cell x, union mp_cell y);

/* Without a lock.  0, or -ERANGE and nothing is changed. */
int mp_cell_add(const struct mp_type *t, void *place, union mp_cell n,
                union mp_cell *sum);
/* 1: it was old and is new now; 0: it was something else. */
int mp_cell_cas(const struct mp_type *t, void *place, union mp_cell old,
                union mp_cell new);

#endif
