/*
** run.c: free runs of chunks: bins, splitting, merging
** MIT licence, see LICENSE
**
** All of it runs inside the arena's guard, every change goes through the log.
** A transaction that frees a run between two free ones logs 16 words, one
** that takes a part of a run 12.
*/

#include "shm/inner.h"

enum { EXACT = 32, LOOK = 4 };

uint32_t mp_bin_of(uint32_t n) {
  if (n <= EXACT)
    return n - 1;
  uint32_t lg = mp_log2(n);
  return EXACT + (lg - 5) * 4 + (n >> (lg - 2) & 3);
}

/* The first bin in which every run has n chunks. */
static uint32_t bin_up(uint32_t n) {
  if (n <= EXACT)
    return n - 1;
  return mp_bin_of(n + (UINT32_C(1) << (mp_log2(n) - 2)) - 1);
}

static int temperature_of(uint64_t tag) {
  return tag & MP_TAG_COLD ? MP_COLD : MP_WARM;
}

static uint64_t *bin_word(struct mp_head *h, int temperature, uint32_t bin) {
  return &h->bin_map[temperature][bin / 64];
}

static void bin_add(struct mp_arena *a, uint32_t c, uint64_t tag) {
  struct mp_head *h = mp_head(a);
  struct mp_guard *g = &h->guard;
  int t = temperature_of(tag);
  uint32_t n = mp_tag_count(tag);
  uint32_t bin = mp_bin_of(n);
  uint32_t first = h->bin[t][bin];
  struct mp_chunk *e = mp_chunk(a, c);
  mp_set64(a, g, &e->tag, tag);
  if (n > 1)
    mp_set64(a, g, &mp_chunk(a, c + n - 1)->tag, mp_tag(MP_TAIL, n));
  mp_set32(a, g, &e->next, first);
  mp_set32(a, g, &e->prev, 0);
  if (first != 0)
    mp_set32(a, g, &mp_chunk(a, first)->prev, c);
  else
    mp_set64(a, g, bin_word(h, t, bin),
             *bin_word(h, t, bin) | UINT64_C(1) << bin % 64);
  mp_set32(a, g, &h->bin[t][bin], c);
}

static void bin_remove(struct mp_arena *a, uint32_t c) {
  struct mp_head *h = mp_head(a);
  struct mp_guard *g = &h->guard;
  const struct mp_chunk *e = mp_chunk(a, c);
  int t = temperature_of(e->tag);
  uint32_t bin = mp_bin_of(mp_tag_count(e->tag));
  if (e->next != 0)
    mp_set32(a, g, &mp_chunk(a, e->next)->prev, e->prev);
  if (e->prev != 0) {
    mp_set32(a, g, &mp_chunk(a, e->prev)->next, e->next);
    return;
  }
  mp_set32(a, g, &h->bin[t][bin], e->next);
  if (e->next == 0)
    mp_set64(a, g, bin_word(h, t, bin),
             *bin_word(h, t, bin) & ~(UINT64_C(1) << bin % 64));
}

static void count_free(struct mp_arena *a, uint64_t tag, uint32_t from,
                       uint32_t to) {
  uint64_t *n = &mp_head(a)->free[temperature_of(tag)];
  mp_set64(a, mp_log(a), n, *n - from + to);
}

/* The first run of the first bin from `bin` on that has any. */
static uint32_t first_from(const struct mp_head *h, int t, uint32_t bin) {
  for (uint32_t w = bin / 64; w < MP_BINS / 64; w++) {
    uint64_t map = h->bin_map[t][w];
    if (w == bin / 64)
      map &= UINT64_MAX << bin % 64;
    if (map != 0)
      return h->bin[t][w * 64 + (uint32_t)__builtin_ctzll(map)];
  }
  return 0;
}

/* Up to `look` runs of the bin in which some have n chunks. */
static uint32_t look_in(struct mp_arena *a, int t, uint32_t n, uint32_t look) {
  uint32_t c = mp_head(a)->bin[t][mp_bin_of(n)];
  for (; c != 0 && look > 0; look--, c = mp_chunk(a, c)->next) {
    if (mp_tag_count(mp_chunk(a, c)->tag) >= n)
      return c;
  }
  return 0;
}

/* A free run of at least n chunks; 1 when there is one.  The bins make it
** constant time; a run that only a long look into a bin would show is left,
** unless it is the last resort. */
int mp_run_find(struct mp_arena *a, int temperature, uint32_t n, int last,
                uint32_t *out) {
  uint32_t c = look_in(a, temperature, n, last ? UINT32_MAX : LOOK);
  if (c == 0)
    c = first_from(mp_head(a), temperature, bin_up(n));
  if (c == 0)
    return 0;
  *out = c;
  return 1;
}

uint32_t mp_run_largest(struct mp_arena *a, int temperature) {
  const struct mp_head *h = mp_head(a);
  for (int w = MP_BINS / 64 - 1; w >= 0; w--) {
    uint64_t map = h->bin_map[temperature][w];
    if (map != 0)
      return h->bin[temperature][w * 64 + 63 - __builtin_clzll(map)];
  }
  return 0;
}

/* The first n chunks of a free run become an allocated one, which keeps the
** run's temperature; what is left over stays free. */
void mp_run_take(struct mp_arena *a, uint32_t c, uint32_t n) {
  struct mp_head *h = mp_head(a);
  struct mp_guard *g = &h->guard;
  uint64_t tag = mp_chunk(a, c)->tag;
  uint64_t flags = tag & (MP_TAG_COLD | MP_TAG_MIXED);
  uint32_t all = mp_tag_count(tag);
  bin_remove(a, c);
  count_free(a, tag, n, 0);
  mp_set64(a, g, &mp_chunk(a, c)->tag, mp_tag(MP_RUN, n) | flags);
  if (n > 1)
    mp_set64(a, g, &mp_chunk(a, c + n - 1)->tag, mp_tag(MP_INNER, 0));
  if (all > n)
    bin_add(a, c + n, mp_tag(MP_IS_FREE, all - n) | flags);
  mp_set64(a, g, &h->run_chunks, h->run_chunks + n);
  mp_set64(a, g, &h->run_blocks, h->run_blocks + 1);
}

/* The free run that ends before c, 0 when there is none. */
static uint32_t free_before(const struct mp_arena *a, uint32_t c) {
  uint64_t tag = mp_chunk(a, c - 1)->tag;
  if (mp_tag_state(tag) == MP_IS_FREE)
    return c - 1;
  return mp_tag_state(tag) == MP_TAIL ? c - mp_tag_count(tag) : 0;
}

static uint32_t free_after(const struct mp_arena *a, uint32_t end) {
  if (end >= mp_head(a)->top)
    return 0;
  return mp_tag_state(mp_chunk(a, end)->tag) == MP_IS_FREE ? end : 0;
}

/* May the neighbour be merged?  If only the temperature differs: later. */
static int merges(struct mp_arena *a, uint32_t neighbour, uint64_t flags) {
  struct mp_head *h = mp_head(a);
  if (neighbour == 0)
    return 0;
  if (((mp_chunk(a, neighbour)->tag ^ flags) & MP_TAG_COLD) == 0)
    return 1;
  mp_set64(a, &h->guard, &h->split, h->split + 1);
  return 0;
}

/*
** Makes chunks c .. c+n-1 free, with flags COLD and MIXED as they are, and
** merges them with what is free beside them.  The entry of c must not be in any
** list.
*/
void mp_run_free(struct mp_arena *a, uint32_t c, uint32_t n, uint64_t flags) {
  uint32_t before = free_before(a, c);
  uint32_t after = free_after(a, c + n);
  count_free(a, flags, 0, n);
  if (merges(a, after, flags)) {
    uint64_t tag = mp_chunk(a, after)->tag;
    flags |= tag & MP_TAG_MIXED;
    bin_remove(a, after);
    n += mp_tag_count(tag);
  }
  if (merges(a, before, flags)) {
    uint64_t tag = mp_chunk(a, before)->tag;
    flags |= tag & MP_TAG_MIXED;
    bin_remove(a, before);
    mp_set64(a, mp_log(a), &mp_chunk(a, c)->tag, mp_tag(MP_INNER, 0));
    n += mp_tag_count(tag);
    c = before;
  }
  bin_add(a, c, mp_tag(MP_IS_FREE, n) | flags);
}

/* Merges the free run c with the one behind it, whatever their temperature. */
static void merge_two(struct mp_arena *a, uint32_t c, uint32_t next) {
  uint64_t tag = mp_chunk(a, c)->tag;
  uint64_t tag2 = mp_chunk(a, next)->tag;
  uint32_t n = mp_tag_count(tag) + mp_tag_count(tag2);
  bin_remove(a, c);
  bin_remove(a, next);
  count_free(a, tag, mp_tag_count(tag), 0);
  count_free(a, tag2, mp_tag_count(tag2), 0);
  count_free(a, MP_TAG_COLD, 0, n);
  bin_add(a, c, mp_tag(MP_IS_FREE, n) | MP_TAG_COLD | MP_TAG_MIXED);
  mp_guard_commit(mp_log(a));
}

/* The address range is used up: warm and cold neighbours become one.  Each
** merger is a step of its own.  Linear in the number of runs, so only when
** there are such neighbours. */
void mp_run_merge_all(struct mp_arena *a) {
  struct mp_head *h = mp_head(a);
  if (h->split == 0)
    return;
  for (uint32_t c = 1; c < h->top;) {
    uint64_t tag = mp_chunk(a, c)->tag;
    uint32_t end = c + mp_tag_count(tag);
    if (mp_tag_state(tag) == MP_IS_FREE && free_after(a, end) != 0)
      merge_two(a, c, end);
    else
      c = end;
  }
  mp_set64(a, &h->guard, &h->split, 0);
  mp_guard_commit(&h->guard);
}
