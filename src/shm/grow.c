/*
** grow.c: runs of chunks with pages: growth, commitment, giving back
** MIT licence, see LICENSE
**
** Pages are asked for and given back outside the guard, while the run is in
** this process's hand, so that nobody waits for the kernel.  Whoever is killed
** meanwhile leaves a cold run in a dead hand: a sweep frees it, cold.
*/

#include "base/code.h"
#include "os/map.h"
#include "shm/inner.h"

enum {
  GROW = 1024,      /* chunks of address range a step: 64 MiB */
  EXTENT_MIN = 4,   /* chunks that get pages at once: 256 KiB ... */
  EXTENT_MAX = 1024, /* ... to 64 MiB */
  RESERVE = 2048,   /* warm chunks always kept: 128 MiB */
  TRIM_MIN = 64,    /* a run worth giving back: 4 MiB */
  TABLE_STEP = 4096 /* entries that get pages at once */
};

/* Extents grow with what is in use: an eighth of it. */
static uint32_t extent(const struct mp_head *h) {
  uint64_t n = (h->top - h->free[MP_COLD]) / 8;
  if (n < EXTENT_MIN)
    return EXTENT_MIN;
  return n > EXTENT_MAX ? EXTENT_MAX : (uint32_t)n;
}

/* How far the top must go so that a cold run of n chunks ends there. */
static uint32_t new_top(struct mp_arena *a, uint32_t n) {
  const struct mp_head *h = mp_head(a);
  uint64_t last = mp_chunk(a, h->top - 1)->tag;
  uint32_t have = 0;
  if (mp_tag_state(last) == MP_IS_FREE && (last & MP_TAG_COLD))
    have = 1;
  else if (mp_tag_state(last) == MP_TAIL &&
           (mp_chunk(a, h->top - mp_tag_count(last))->tag & MP_TAG_COLD))
    have = mp_tag_count(last);
  uint64_t top = (uint64_t)h->top + (n > have ? n - have : 0);
  if (top > h->chunk_max)
    return 0;
  uint64_t far = (uint64_t)h->top + GROW;
  if (far > h->chunk_max)
    far = h->chunk_max;
  return (uint32_t)(top > far ? top : far);
}

/* Pages for the table's entries below top; outside or inside the guard. */
static int ready_table(struct mp_arena *a, uint32_t top) {
  struct mp_head *h = mp_head(a);
  uint64_t want = ((uint64_t)top / TABLE_STEP + 1) * TABLE_STEP;
  if (want > h->chunk_max)
    want = h->chunk_max;
  uint64_t from = (uint64_t)h->table_ready * sizeof(struct mp_chunk);
  uint64_t to = want * sizeof(struct mp_chunk);
  int rc = mp_space_commit(a, h->table + from, to - from);
  if (rc == 0)
    mp_set32(a, &h->guard, &h->table_ready, (uint32_t)want);
  return rc;
}

/* A step: cold address range at the top. */
static int grow(struct mp_arena *a, uint32_t n) {
  struct mp_head *h = mp_head(a);
  uint32_t top = new_top(a, n);
  if (top == 0)
    return MP_ENOARENA;
  if (top > h->table_ready) {
    int rc = ready_table(a, top);
    if (rc < 0)
      return rc;
  }
  uint32_t old = h->top;
  mp_set32(a, &h->guard, &h->top, top);
  mp_run_free(a, old, top - old, MP_TAG_COLD);
  mp_guard_commit(&h->guard);
  return 0;
}

/* A free run of n chunks from wherever one can be had. */
static int find_run(struct mp_arena *a, uint32_t n, uint32_t *c) {
  if (mp_run_find(a, MP_WARM, n, 0, c) || mp_run_find(a, MP_COLD, n, 0, c))
    return 0;
  int full = grow(a, n) < 0;
  if (full)
    mp_run_merge_all(a);
  if (mp_run_find(a, MP_COLD, n, full, c) ||
      mp_run_find(a, MP_WARM, n, full, c))
    return 0;
  return MP_ENOARENA;
}

/* Takes a run into the hand: n chunks if it is warm, an extent if cold. */
static int take(struct mp_arena *a, uint32_t n, int hand, uint32_t *out) {
  uint32_t c;
  int rc = find_run(a, n, &c);
  if (rc < 0)
    return rc;
  uint64_t tag = mp_chunk(a, c)->tag;
  uint32_t count = n;
  if (tag & MP_TAG_COLD) {
    uint32_t more = extent(mp_head(a));
    uint32_t all = mp_tag_count(tag);
    count = n > more ? n : more;
    count = count > all ? all : count;
  }
  mp_run_take(a, c, count);
  mp_hand_put(a, mp_log(a), hand, mp_chunk_off(a, c));
  *out = c;
  return 0;
}

/* The run in hand keeps n chunks, the rest is freed. */
static int shrink(struct mp_arena *a, uint32_t c, uint32_t n) {
  int rc = mp_enter(a);
  if (rc < 0)
    return rc;
  struct mp_head *h = mp_head(a);
  uint64_t tag = mp_chunk(a, c)->tag;
  uint64_t flags = tag & (MP_TAG_COLD | MP_TAG_MIXED);
  uint32_t all = mp_tag_count(tag);
  mp_set64(a, &h->guard, &mp_chunk(a, c)->tag, mp_tag(MP_RUN, n) | flags);
  if (n > 1)
    mp_set64(a, &h->guard, &mp_chunk(a, c + n - 1)->tag, mp_tag(MP_INNER, 0));
  mp_set64(a, &h->guard, &h->run_chunks, h->run_chunks - (all - n));
  mp_run_free(a, c + n, all - n, flags);
  mp_leave(a);
  return 0;
}

/* The run is in our hand, so nobody else changes its tag; but who frees a
** neighbour reads it. */
int mp_run_flag(struct mp_arena *a, uint32_t c, uint64_t tag) {
  int rc = mp_enter(a);
  if (rc < 0)
    return rc;
  mp_set64(a, mp_log(a), &mp_chunk(a, c)->tag, tag);
  mp_leave(a);
  return 0;
}

static int commit_run(struct mp_arena *a, uint32_t c) {
  const uint64_t *tag = &mp_chunk(a, c)->tag;
  uint64_t len = (uint64_t)mp_tag_count(*tag) * MP_CHUNK;
  int rc = mp_space_commit(a, mp_chunk_off(a, c), len);
  if (rc < 0)
    return rc;
  return mp_run_flag(a, c, *tag & ~(MP_TAG_COLD | MP_TAG_MIXED));
}

/* The run gets its pages; where an extent is too much, what is needed. */
static int warm_up(struct mp_arena *a, uint32_t c, uint32_t n) {
  int rc = commit_run(a, c);
  if (rc < 0 && mp_tag_count(mp_chunk(a, c)->tag) > n) {
    rc = shrink(a, c, n);
    if (rc == 0)
      rc = commit_run(a, c);
  }
  if (rc == MP_ENOARENA) {
    mp_trim(a, 1);
    rc = commit_run(a, c);
  }
  return rc;
}

static void give_up(struct mp_arena *a, int hand, uint32_t c) {
  if (mp_enter(a) < 0)
    return;
  mp_hand_put(a, mp_log(a), hand, 0);
  mp_block_free(a, mp_chunk_off(a, c));
  mp_leave(a);
}

static int make_warm(struct mp_arena *a, uint32_t n, int hand, uint32_t c) {
  int rc = warm_up(a, c, n);
  if (rc == 0 && mp_tag_count(mp_chunk(a, c)->tag) > n)
    rc = shrink(a, c, n);
  if (rc < 0)
    give_up(a, hand, c);
  return rc;
}

int mp_run_alloc(struct mp_arena *a, uint32_t n, int hand, uint32_t *out,
                 int *zero) {
  uint32_t c = 0;
  int rc = mp_enter(a);
  if (rc == 0) {
    rc = take(a, n, hand, &c);
    mp_leave(a);
  }
  if (rc < 0) {
    mp_hand_unclaim(a, hand);
    return rc;
  }
  uint64_t tag = mp_chunk(a, c)->tag;
  if (tag & MP_TAG_COLD)
    rc = make_warm(a, n, hand, c);
  if (rc < 0)
    return rc;
  *zero = (tag & MP_TAG_COLD) && !(tag & MP_TAG_MIXED);
  *out = c;
  return 0;
}

/* --- giving back --- */

static uint64_t reserve(const struct mp_head *h) {
  return RESERVE + h->run_chunks / 8;
}

int mp_trim_wanted(const struct mp_arena *a) {
  const struct mp_head *h = mp_head(a);
  return h->free[MP_WARM] > reserve(h);
}

/* Takes the largest warm run into the hand, marked cold and mixed: from then
** on nobody relies on its pages, nor on their being zero. */
static uint32_t take_largest(struct mp_arena *a, int hand, int all) {
  if (mp_enter(a) < 0)
    return 0;
  uint32_t c = all || mp_trim_wanted(a) ? mp_run_largest(a, MP_WARM) : 0;
  uint32_t n = c ? mp_tag_count(mp_chunk(a, c)->tag) : 0;
  if (n < (all ? 1 : TRIM_MIN))
    c = 0;
  if (c != 0) {
    mp_run_take(a, c, n);
    mp_set64(a, mp_log(a), &mp_chunk(a, c)->tag,
             mp_tag(MP_RUN, n) | MP_TAG_COLD | MP_TAG_MIXED);
    mp_hand_put(a, mp_log(a), hand, mp_chunk_off(a, c));
  }
  mp_leave(a);
  return c;
}

/* A hole that could not be made leaves old contents. */
static void punch(struct mp_arena *a, uint32_t c) {
  uint64_t tag = mp_chunk(a, c)->tag;
  uint64_t len = (uint64_t)mp_tag_count(tag) * MP_CHUNK;
  if (mp_map_decommit(a->fd, mp_chunk_off(a, c), len) == 0)
    mp_run_flag(a, c, tag & ~MP_TAG_MIXED);
}

void mp_trim(struct mp_arena *a, int all) {
  int hand = mp_hand_claim(a);
  uint32_t c;
  if (hand < 0)
    return;
  while ((c = take_largest(a, hand, all)) != 0) {
    punch(a, c);
    give_up(a, hand, c);
    /* settled on leaving: claim it again */
    if ((hand = mp_hand_claim(a)) < 0)
      return;
  }
  mp_hand_unclaim(a, hand);
}
