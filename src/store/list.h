/*
** list.h: a row of values in the arena: what m:list() is
** MIT licence, see LICENSE
**
** An array of elements of two words, a deque in one block:
**
**   list  [ lock | array, cap | start, count | guard ]
**                    |            |
**                    v          start        start + count
**                  [ . . . . . . e e e e e e e e . . . . ]       cap elements
**
**   element: [ shape | word ]    shape as in store/stored.h
**     INT, FLOAT, FALSE, TRUE, STRING of up to 8 bytes: the word is the value
**     ENTRY: the word names an entry without a key, a block of its own
**
** Elements beyond the row are nobody's: they are written first, then counted.
** At the ends, and a few elements from them, a change is logged word by word;
** further inside, a new array is built aside and published with the list's
** four words, as is a bigger or smaller one.  An element moves as its two
** words, its entry stays where it is.
**
** Indices count from 0.  As with dicts (store/dict.h): one transaction an
** operation; what is dropped in numbers goes into a bag; -EAGAIN while another
** process holds the lock.
*/

#ifndef MP_STORE_LIST_H
#define MP_STORE_LIST_H

#include <stdint.h>

#include "base/buf.h"
#include "shm/arena.h"
#include "shm/guard.h"
#include "store/stored.h"
#include "sync/lock.h"

struct mp_element {
  uint64_t shape;
  uint64_t word;
};

struct mp_list {
  struct mp_lock lock;
  mp_off array;
  uint64_t cap;
  uint64_t start;
  uint64_t count;
  struct mp_guard guard;
};

void mp_list_setup(void); /* idempotent */

/* After mp_object_create with size sizeof(struct mp_list). */
int mp_list_init(struct mp_list *l);
/* Both in one. */
int mp_list_create(struct mp_arena *a, mp_off *out, uint32_t *handle);

int64_t mp_list_count(struct mp_arena *a, struct mp_list *l);

/* --- one element ---------------------------------------------------------- */

/* 1: *got is the value (mp_got_done when it was read); 0: there is none. */
int mp_list_get(struct mp_arena *a, struct mp_list *l, uint64_t i,
                struct mp_got *got);
/* Replaces element i: 0; with i == count appends: 1; or -ERANGE. */
int mp_list_set(struct mp_arena *a, struct mp_list *l, uint64_t i,
                const struct mp_value *v);
/* 1, or an error. */
int mp_list_append(struct mp_arena *a, struct mp_list *l,
                   const struct mp_value *v);
/* Before element i; 1, or -ERANGE (i > count). */
int mp_list_insert(struct mp_arena *a, struct mp_list *l, uint64_t i,
                   const struct mp_value *v);

/* Which element: MP_LAST is the last one. */
#define MP_LAST UINT64_MAX

/* Removes element i: 1, and *got (which may be NULL); 0: there is none. */
int mp_list_pop(struct mp_arena *a, struct mp_list *l, uint64_t i,
                struct mp_got *got);
/* Removes element i if it is the last one: 1, else 0. */
int mp_list_cut(struct mp_arena *a, struct mp_list *l, uint64_t i);

/* The first element from i on that equals a value of a plain type (numbers by
** value, whatever their type): 1 and *at, or 0. */
int mp_list_find(struct mp_arena *a, struct mp_list *l, uint64_t i,
                 const struct mp_value *v, uint64_t *at);
int64_t mp_list_tally(struct mp_arena *a, struct mp_list *l,
                      const struct mp_value *v);
/* Removes the first one: 1, or 0. */
int mp_list_remove(struct mp_arena *a, struct mp_list *l,
                   const struct mp_value *v);

/* --- all of it ------------------------------------------------------------ */

/* Elements i to j as string.sub counts characters: from 1, negative ones from
** the end, cut to the row.  Their number.  The buffer is to be freed also when
** it fails. */
int64_t mp_list_snapshot(struct mp_arena *a, struct mp_list *l, int64_t i,
                         int64_t j, struct mp_buf *b);

/* Moves the elements of `from`, which only this process knows, to the end. */
int mp_list_extend(struct mp_arena *a, struct mp_list *l,
                   struct mp_list *from);
/* Empties it; `bag`, new and this process's own, has the rest. */
int mp_list_clear(struct mp_arena *a, struct mp_list *l, struct mp_list *bag);

/* Element order[i] comes to place i; order is a permutation of 0..n-1.  0;
** -ESTALE: there are not n elements any more.  NULL: the other way round. */
int mp_list_permute(struct mp_arena *a, struct mp_list *l,
                    const uint64_t *order, uint64_t n);

/* Is everything in place?  0 or MP_ECORRUPT; for tests. */
int mp_list_check(struct mp_arena *a, struct mp_list *l);

#endif
