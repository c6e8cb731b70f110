/*
** queue_helper.h: messages that show when they are torn, for crash tests
** MIT licence, see LICENSE
*/

#ifndef MP_SPEC_QUEUE_HELPER_H
#define MP_SPEC_QUEUE_HELPER_H

#include "crash.h"

#include "base/code.h"
#include "os/clock.h"
#include "store/queue.h"

static inline const char *nothing_left(struct mp_arena *a, uint64_t blocks) {
  struct mp_arena_stats s;
  mp_arena_stats(a, &s);
  return s.blocks > blocks ? "a block is left" : NULL;
}

/* --- messages ------------------------------------------------------------- */

struct note {
  uint64_t id;
  uint64_t size;
};

static void fill(const void *source, void *dst) {
  const struct note *n = source;
  memset(dst, (int)n->id, n->size);
}

static struct mp_parcel parcel(const struct note *n) {
  struct mp_parcel p = {.size = n->size, .fill = fill, .source = n};
  return p;
}

/* The id of a whole message, or -1. */
static int id_of(const struct mp_item *item) {
  const unsigned char *p = item->data;
  for (uint64_t i = 1; i < item->size; i++)
    if (p[i] != p[0])
      return -1;
  return p[0];
}

static inline int put(struct mp_arena *a, struct mp_queue *q, uint64_t id,
               uint64_t size) {
  struct note n = {id, size};
  struct mp_parcel p = parcel(&n);
  return mp_queue_put(a, q, &p, 0);
}

static inline int get(struct mp_arena *a, struct mp_queue *q) {
  unsigned char small[MP_INLINE_MAX];
  struct mp_item item;
  int rc = mp_queue_get(a, q, small, &item, 0);
  if (rc < 0)
    return rc;
  int id = id_of(&item);
  mp_item_free(a, &item);
  return id;
}

#endif
