/*
** pool_helper.h: a small pool for the C tests
** MIT licence, see LICENSE
**
** An item is one byte, its number; its result is that byte.  `tally` finishes
** whatever a dead worker left and counts how often each item was answered.
*/

#ifndef MP_SPEC_POOL_HELPER_H
#define MP_SPEC_POOL_HELPER_H

#include <stdio.h>
#include <string.h>

#include "store/pool.h"

enum { POOL_ITEMS = 12, POOL_SEATS = 2 };

static inline int pool_make(struct mp_arena *a, mp_off *off, uint32_t *handle) {
  mp_pool_setup();
  int rc = mp_object_create(a, MP_T_POOL, mp_pool_size(POOL_SEATS), off,
                            handle);
  return rc < 0 ? rc : mp_pool_init(mp_at(a, *off), POOL_SEATS);
}

/* items first .. first+n-1 of job 1 are staged */
static inline int pool_stage(struct mp_arena *a, mp_off pool, uint32_t first,
                             uint32_t n, uint32_t chunk) {
  size_t head = sizeof(struct mp_pool_batch) + (n + 1) * sizeof(uint32_t);
  mp_off off;
  int rc = mp_pool_batch_new(a, mp_at(a, pool), head + n, NULL, 0, &off);
  if (rc < 0)
    return rc;
  struct mp_pool_batch *b = mp_message_data(a, off);
  b->job = 1;
  b->first = first;
  b->count = n;
  b->chunk = chunk;
  for (uint32_t i = 0; i <= n; i++)
    b->place[i] = (uint32_t)head + i;
  for (uint32_t i = 0; i < n; i++)
    ((unsigned char *)b)[head + i] = (unsigned char)(first + i);
  return mp_pool_stage(a, mp_at(a, pool), off);
}

static inline int pool_answer(struct mp_pool_worker *w, uint32_t i) {
  mp_pool_begin(w, i);
  unsigned char *p = mp_pool_room(w, 1);
  if (p == NULL)
    return -1;
  *p = ((unsigned char *)w->batch)[w->batch->place[i]];
  mp_pool_publish(w, 1);
  return 0;
}

/* works off at most `most` items of each slice, until there is no more */
static inline int pool_work(struct mp_arena *a, mp_off pool, uint32_t seat,
                            uint32_t want, uint32_t most) {
  struct mp_pool_worker w;
  mp_pool_sit(&w, a, mp_at(a, pool), seat, -1);
  int rc = mp_pool_take(&w, want);
  while (rc == 1) {
    uint32_t to = w.seat->to, from = w.seat->from;
    if (to - from > most)
      to = from + most;
    for (uint32_t i = from; i < to; i++) {
      if ((rc = pool_answer(&w, i)) < 0)
        return rc;
      if (i % 3 == 2 && (rc = mp_pool_flush(&w)) < 0)
        return rc;
    }
    rc = mp_pool_next(&w, want, 1);
  }
  return rc;
}

struct pool_tally {
  int answers[256]; /* results of an item */
  int lost[256];    /* it was being run when its worker died */
};

static inline const char *pool_read(struct mp_arena *a, mp_off pool,
                                    struct pool_tally *t) {
  struct mp_pool *p = mp_at(a, pool);
  mp_off off;
  if (mp_pool_collect(a, p, &off) < 0)
    return "cannot collect";
  while (off != 0) {
    const struct mp_pool_block *b = mp_message_data(a, off);
    const unsigned char *bytes = (const unsigned char *)(b + 1);
    for (uint32_t i = 0; i < b->count; i++) {
      if (bytes[i] != b->first + i)
        return "a result of another item";
      t->answers[bytes[i]]++;
    }
    if (mp_pool_consume(a, p, &off) < 0)
      return "cannot consume";
    if (off == 0 && mp_pool_collect(a, p, &off) < 0)
      return "cannot collect again";
  }
  return NULL;
}

/* The worker of this seat is dead: sorts out what it left. */
static inline const char *pool_bury(struct mp_arena *a, mp_off pool,
                                    uint32_t seat, struct pool_tally *t) {
  struct mp_pool *p = mp_at(a, pool);
  struct mp_pool_wreck w;
  if (mp_pool_recover(a, p, seat, &w) < 0)
    return "cannot recover";
  if (w.left > 0 && w.ran)
    t->lost[w.first]++;
  if (mp_pool_requeue(a, p, seat, w.left > 0 && w.ran) < 0)
    return "cannot requeue";
  return NULL;
}

static inline const char *pool_exactly_once(const struct pool_tally *t,
                                            uint32_t n) {
  static char why[80];
  int lost = 0;
  for (uint32_t i = 0; i < 256; i++) {
    int times = t->answers[i] + t->lost[i];
    lost += t->lost[i];
    if (times != (i < n)) {
      snprintf(why, sizeof why, "item %u: %d answers, lost %d times", i,
               t->answers[i], t->lost[i]);
      return why;
    }
  }
  return lost <= 1 ? NULL : "more than one item was lost";
}

#endif
