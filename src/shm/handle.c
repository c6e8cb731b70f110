/*
** handle.c: the table of a process's references to objects
** MIT licence, see LICENSE
**
** Segments of 16, 32, 64 ... entries, so that growth moves nothing.  An entry
** is the place of an object, or (its lowest bit set) the link of a list of free
** numbers.  Entries from handle_top on were never used and need no log.
*/

#include "base/code.h"
#include "shm/inner.h"

enum { FIRST = 16 };

static uint32_t seg_of(uint32_t n) {
  return mp_log2(n + FIRST) - 4;
}

uint64_t *mp_handle_word(const struct mp_arena *a, const struct mp_slot *s,
                         uint32_t n) {
  uint32_t seg = seg_of(n);
  uint32_t first = ((uint32_t)FIRST << seg) - FIRST;
  return (uint64_t *)mp_at(a, s->seg[seg]) + (n - first);
}

static uint64_t link_to(uint32_t number_plus_1) {
  return (uint64_t)number_plus_1 << 1 | 1;
}

static int has_room(const struct mp_slot *s) {
  return s->handle_free != 0 || s->seg[seg_of(s->handle_top)] != 0;
}

/* Gives a slot the segment of handle n; another thread may have been first. */
static int add_seg(struct mp_arena *a, struct mp_slot *s, uint32_t n) {
  mp_off block;
  uint32_t seg = seg_of(n);
  if (seg >= MP_SEGS)
    return MP_ENOARENA;
  int rc = mp_alloc(a, sizeof(uint64_t) * FIRST << seg, &block);
  if (rc == 0)
    rc = mp_enter(a);
  if (rc < 0)
    return rc;
  int wanted = s->seg[seg] == 0;
  if (wanted) {
    mp_hand_clear(a, mp_log(a), block);
    mp_set64(a, mp_log(a), &s->seg[seg], block);
  }
  mp_leave(a);
  if (!wanted)
    mp_free(a, block);
  return 0;
}

int mp_handle_enter(struct mp_arena *a) {
  int rc = mp_self_need(a);
  while (rc == 0 && (rc = mp_enter(a)) == 0) {
    if (has_room(a->self_slot))
      return 0;
    uint32_t n = a->self_slot->handle_top;
    mp_leave(a);
    rc = add_seg(a, a->self_slot, n);
  }
  return rc;
}

static uint32_t take_number(struct mp_arena *a, struct mp_slot *s) {
  uint32_t n = s->handle_free;
  if (n == 0) {
    mp_set32(a, mp_log(a), &s->handle_top, s->handle_top + 1);
    return s->handle_top - 1;
  }
  uint32_t next = (uint32_t)(*mp_handle_word(a, s, n - 1) >> 1);
  mp_set32(a, mp_log(a), &s->handle_free, next);
  return n - 1;
}

uint32_t mp_handle_add(struct mp_arena *a, mp_off off) {
  struct mp_slot *s = a->self_slot;
  uint32_t n = take_number(a, s);
  mp_set64(a, mp_log(a), mp_handle_word(a, s, n), off);
  if (n >= atomic_load_explicit(&a->high, memory_order_relaxed))
    atomic_store_explicit(&a->high, n + 1, memory_order_relaxed);
  return n;
}

/* A number that this process does not hold is none of its business: it came
** with a foreign fork, or the slot was left. */
void mp_object_detach(struct mp_arena *a, uint32_t handle) {
  if (atomic_load(&a->self_pid) != (int32_t)mp_self_pid() ||
      handle < a->pinned || mp_enter(a) < 0)
    return;
  struct mp_slot *s = a->self_slot;
  uint64_t *word = handle < s->handle_top ? mp_handle_word(a, s, handle) : NULL;
  if (word != NULL && (*word & 1) == 0) {
    mp_off off = *word;
    mp_set64(a, mp_log(a), word, link_to(s->handle_free));
    mp_set32(a, mp_log(a), &s->handle_free, handle + 1);
    mp_object_less(a, off);
  }
  mp_leave(a);
  mp_object_bury(a);
}

/* --- the copy for a child of fork --- */

/* Handle n of `from`, if it has one that counts, becomes that of `to`.  The
** entry lies beyond the top until it is right. */
static void copy_one(struct mp_arena *a, const struct mp_slot *from,
                     struct mp_slot *to, uint32_t n) {
  struct mp_guard *g = mp_log(a);
  uint64_t entry = n < from->handle_top && from->seg[seg_of(n)] != 0
                     ? *mp_handle_word(a, from, n)
                     : 1;
  uint64_t *word = mp_handle_word(a, to, n);
  if (entry & 1) {
    *word = link_to(to->handle_free);
    mp_set32(a, g, &to->handle_free, n + 1);
  } else {
    struct mp_object *o = mp_at(a, entry);
    *word = entry;
    mp_set64(a, g, &o->count, o->count + 1);
  }
  mp_set32(a, g, &to->handle_top, n + 1);
  mp_guard_commit(g);
}

/* A few hundred at a time, so that others get the guard in between. */
static int copy_some(struct mp_arena *a, const struct mp_slot *from,
                     struct mp_slot *to) {
  enum { BATCH = 256 };
  int rc = mp_enter(a);
  if (rc < 0)
    return rc;
  for (int i = 0; i < BATCH && to->handle_top < from->handle_top; i++) {
    if (to->seg[seg_of(to->handle_top)] == 0)
      break;
    copy_one(a, from, to, to->handle_top);
  }
  mp_leave(a);
  return 0;
}

/* Each handle is a step of its own: a half-made copy is a smaller table. */
int mp_handle_copy(struct mp_arena *a, const struct mp_slot *from,
                   struct mp_slot *to) {
  int rc = 0;
  while (rc == 0 && to->handle_top < from->handle_top) {
    if (to->seg[seg_of(to->handle_top)] == 0)
      rc = add_seg(a, to, to->handle_top);
    else
      rc = copy_some(a, from, to);
  }
  return rc;
}

/* --- the end --- */

static void release_last(struct mp_arena *a, struct mp_slot *s) {
  uint32_t n = s->handle_top - 1;
  uint64_t entry =
    s->seg[seg_of(n)] != 0 ? *mp_handle_word(a, s, n) : 1;
  mp_set32(a, mp_log(a), &s->handle_top, n);
  if ((entry & 1) == 0)
    mp_object_less(a, entry);
  mp_guard_commit(mp_log(a));
}

/* The free list is forgotten first: its entries are about to go. */
void mp_handle_release_all(struct mp_arena *a, struct mp_slot *s) {
  enum { BATCH = 256 };
  while (s->handle_top > 0 && mp_enter(a) == 0) {
    mp_set32(a, mp_log(a), &s->handle_free, 0);
    mp_guard_commit(mp_log(a));
    for (int i = 0; i < BATCH && s->handle_top > 0; i++)
      release_last(a, s);
    mp_leave(a);
  }
}
