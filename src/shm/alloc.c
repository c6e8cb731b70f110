/*
** alloc.c: blocks of the arena
** MIT licence, see LICENSE
**
** Small blocks come from slabs: one chunk, one size, one kind, so that the
** chunk table says of any offset whether a message, an object or plain bytes
** lie there.  A free block's first word holds the number of the next one; what
** is freed last is given out first, while it is warm.  Blocks behind `fresh`
** were never used, so a new slab needs no list.
*/

#include <errno.h>

#include "base/code.h"
#include "os/map.h"
#include "shm/inner.h"

enum { NONE = 0xffff, LINEAR = 8, TOUCH_MIN = 16 };

#define EMPTY_ONE (UINT64_C(1) << 48)

/* 16, 32 ... 128, then four to a doubling: 160, 192, 224, 256, 320 ... */
uint32_t mp_class_size(uint32_t class) {
  if (class < LINEAR)
    return (class + 1) * 16;
  uint32_t lg = 7 + (class - LINEAR) / 4;
  return ((class - LINEAR) % 4 + 5) << (lg - 2);
}

static uint32_t class_of(uint64_t size) {
  if (size <= 128)
    return size == 0 ? 0 : (uint32_t)(size - 1) / 16;
  uint32_t n = (uint32_t)size - 1;
  uint32_t lg = mp_log2(n);
  return LINEAR + (lg - 7) * 4 + (n >> (lg - 2) & 3);
}

/* --- a slab's word --- */

struct slab {
  uint32_t free, used, fresh;
};

static struct slab unpack(uint64_t w) {
  return (struct slab){(uint32_t)w & 0xffff, (uint32_t)(w >> 16) & 0xffff,
                       (uint32_t)(w >> 32) & 0xffff};
}

static uint64_t pack(struct slab s) {
  return s.free | (uint64_t)s.used << 16 | (uint64_t)s.fresh << 32;
}

static uint64_t *block_word(const struct mp_arena *a, uint32_t c,
                            uint32_t size, uint32_t i) {
  return mp_at(a, mp_chunk_off(a, c) + (uint64_t)i * size);
}

static struct mp_class *class_at(const struct mp_arena *a, uint32_t kind,
                                 uint32_t class) {
  return &mp_head(a)->classes[kind][class];
}

/* --- the list of slabs with room --- */

static void list_push(struct mp_arena *a, struct mp_class *cl, uint32_t c) {
  struct mp_guard *g = mp_log(a);
  struct mp_chunk *e = mp_chunk(a, c);
  if (cl->list != 0)
    mp_set32(a, g, &mp_chunk(a, cl->list)->prev, c);
  mp_set32(a, g, &e->next, cl->list);
  mp_set32(a, g, &e->prev, 0);
  mp_set32(a, g, &cl->list, c);
}

static void list_remove(struct mp_arena *a, struct mp_class *cl, uint32_t c) {
  struct mp_guard *g = mp_log(a);
  const struct mp_chunk *e = mp_chunk(a, c);
  if (e->next != 0)
    mp_set32(a, g, &mp_chunk(a, e->next)->prev, e->prev);
  if (e->prev != 0)
    mp_set32(a, g, &mp_chunk(a, e->prev)->next, e->next);
  else
    mp_set32(a, g, &cl->list, e->next);
}

/* --- small blocks --- */

/* A run of one chunk, in hand, becomes an empty slab with room. */
static void make_slab(struct mp_arena *a, uint32_t kind, uint32_t class,
                      uint32_t c) {
  struct mp_head *h = mp_head(a);
  struct mp_guard *g = &h->guard;
  struct mp_class *cl = class_at(a, kind, class);
  struct mp_chunk *e = mp_chunk(a, c);
  uint64_t tag = mp_tag(MP_SLAB, 1) | class << 8 | (uint64_t)kind << 16;
  mp_set64(a, g, &e->tag, tag);
  mp_set64(a, g, &e->slab, pack((struct slab){NONE, 0, 0}));
  mp_set64(a, g, &cl->counts, cl->counts + EMPTY_ONE);
  mp_set64(a, g, &h->run_chunks, h->run_chunks - 1);
  mp_set64(a, g, &h->run_blocks, h->run_blocks - 1);
  list_push(a, cl, c);
}

/* Another process may have used up the new slab before we come back: the
** caller tries again. */
static int add_slab(struct mp_arena *a, uint32_t kind, uint32_t class) {
  uint32_t c;
  int zero;
  int hand = mp_hand_claim(a);
  if (hand < 0)
    return hand;
  int rc = mp_run_alloc(a, 1, hand, &c, &zero);
  if (rc == 0)
    rc = mp_enter(a);
  if (rc < 0)
    return rc;
  make_slab(a, kind, class, c);
  mp_hand_put(a, mp_log(a), hand, 0);
  mp_leave(a);
  return 0;
}

/* A message that was not filled yet has no references: the word is in a place
** that a free block does not use, so it needs no log. */
static void set_up(uint32_t kind, uint64_t *block) {
  if (kind == MP_MESSAGE)
    block[1] = 0;
}

/* Takes a block of the first slab with room.  Inside the guard. */
static uint64_t *pop(struct mp_arena *a, uint32_t kind, uint32_t class) {
  struct mp_class *cl = class_at(a, kind, class);
  struct mp_guard *g = mp_log(a);
  uint32_t c = cl->list, size = mp_class_size(class);
  struct mp_chunk *e = mp_chunk(a, c);
  struct slab s = unpack(e->slab);
  uint64_t counts = cl->counts + 1 - (s.used == 0 ? EMPTY_ONE : 0);
  uint32_t i = s.free != NONE ? s.free : s.fresh++;
  uint64_t *block = block_word(a, c, size, i);
  if (s.free != NONE)
    s.free = (uint32_t)*block & 0xffff;
  s.used++;
  if (s.used == MP_CHUNK / size)
    list_remove(a, cl, c);
  mp_set64(a, g, &e->slab, pack(s));
  mp_set64(a, g, &cl->counts, counts);
  set_up(kind, block);
  return block;
}

static int alloc_small(struct mp_arena *a, uint32_t kind, uint32_t class,
                       int hand, mp_off *out) {
  int rc = mp_enter(a);
  while (rc == 0 && class_at(a, kind, class)->list == 0) {
    mp_leave(a);
    rc = add_slab(a, kind, class);
    if (rc == 0)
      rc = mp_enter(a);
  }
  if (rc < 0) {
    mp_hand_unclaim(a, hand);
    return rc;
  }
  *out = mp_off_of(a, pop(a, kind, class));
  mp_hand_put(a, mp_log(a), hand, *out);
  mp_leave(a);
  return 0;
}

/* The slab's last block is free: one empty slab of a class is kept, a further
** one becomes a free run.  A step of its own, after the block's. */
static void drop_slab(struct mp_arena *a, struct mp_class *cl, uint32_t c) {
  mp_guard_commit(mp_log(a));
  list_remove(a, cl, c);
  mp_set64(a, mp_log(a), &cl->counts, cl->counts - EMPTY_ONE);
  mp_run_free(a, c, 1, 0);
}

static void free_small(struct mp_arena *a, uint32_t c, mp_off off) {
  struct mp_guard *g = mp_log(a);
  struct mp_chunk *e = mp_chunk(a, c);
  uint32_t class = mp_tag_class(e->tag), size = mp_class_size(class);
  struct mp_class *cl = class_at(a, mp_tag_kind(e->tag), class);
  struct slab s = unpack(e->slab);
  uint32_t i = (uint32_t)(off - mp_chunk_off(a, c)) / size;
  int was_full = s.used == MP_CHUNK / size;
  assert(s.used > 0 && i < s.fresh);
  mp_set64(a, g, mp_at(a, off), s.free);
  s.free = i;
  s.used--;
  mp_set64(a, g, &e->slab, pack(s));
  mp_set64(a, g, &cl->counts, cl->counts - 1 + (s.used ? 0 : EMPTY_ONE));
  if (was_full)
    list_push(a, cl, c);
  if (s.used == 0 && cl->counts >= 2 * EMPTY_ONE)
    drop_slab(a, cl, c);
}

/* --- large blocks --- */

static int alloc_large(struct mp_arena *a, uint32_t kind, uint64_t size,
                       int hand, mp_off *out, int *zero) {
  uint64_t n = (size + MP_CHUNK - 1) / MP_CHUNK;
  uint32_t c;
  if (n >= mp_head(a)->chunk_max) {
    mp_hand_unclaim(a, hand);
    return MP_ENOARENA;
  }
  int rc = mp_run_alloc(a, (uint32_t)n, hand, &c, zero);
  if (rc < 0)
    return rc;
  /* fresh pages, which bytes and messages are going to fill at once */
  if (*zero && kind != MP_OBJECT && n >= TOUCH_MIN)
    mp_map_touch(mp_at(a, mp_chunk_off(a, c)), n * MP_CHUNK);
  set_up(kind, mp_at(a, mp_chunk_off(a, c)));
  *out = mp_chunk_off(a, c);
  return kind == MP_RAW
           ? 0
           : mp_run_flag(a, c, mp_chunk(a, c)->tag | (uint64_t)kind << 16);
}

static void free_large(struct mp_arena *a, uint32_t c, uint64_t tag) {
  struct mp_head *h = mp_head(a);
  uint32_t n = mp_tag_count(tag);
  mp_set64(a, &h->guard, &h->run_chunks, h->run_chunks - n);
  mp_set64(a, &h->guard, &h->run_blocks, h->run_blocks - 1);
  mp_run_free(a, c, n, tag & (MP_TAG_COLD | MP_TAG_MIXED));
}

/* --- both --- */

int mp_block_alloc(struct mp_arena *a, uint32_t kind, uint64_t size,
                   mp_off *out, int *zero) {
  int rc = mp_self_need(a);
  if (rc < 0)
    return rc;
  int hand = mp_hand_claim(a);
  if (hand < 0)
    return hand;
  *zero = 0;
  if (size <= MP_SMALL_MAX)
    return alloc_small(a, kind, class_of(size), hand, out);
  if (size > a->size) {
    mp_hand_unclaim(a, hand);
    return MP_ENOARENA;
  }
  return alloc_large(a, kind, size, hand, out, zero);
}

/* Walks nothing: what is asked about lies at the beginning of a run, or in a
** slab. */
uint32_t mp_block_chunk(const struct mp_arena *a, mp_off off) {
  const struct mp_head *h = mp_head(a);
  if (off < h->chunks + MP_CHUNK || off >= a->size)
    return 0;
  uint32_t c = mp_chunk_of(a, off);
  if (c >= h->top)
    return 0;
  uint64_t tag = mp_chunk(a, c)->tag;
  uint64_t within = off % MP_CHUNK;
  if (mp_tag_state(tag) == MP_RUN && within == 0)
    return c;
  if (mp_tag_state(tag) == MP_SLAB &&
      within % mp_class_size(mp_tag_class(tag)) == 0)
    return c;
  return 0;
}

uint32_t mp_block_kind(const struct mp_arena *a, mp_off off) {
  return mp_tag_kind(mp_chunk(a, mp_chunk_of(a, off))->tag);
}

size_t mp_block_size(const struct mp_arena *a, mp_off off) {
  uint64_t tag = mp_chunk(a, mp_chunk_of(a, off))->tag;
  if (mp_tag_state(tag) == MP_SLAB)
    return mp_class_size(mp_tag_class(tag));
  return (size_t)mp_tag_count(tag) * MP_CHUNK;
}

void mp_block_free(struct mp_arena *a, mp_off off) {
  uint32_t c = mp_block_chunk(a, off);
  assert(c != 0);
  uint64_t tag = mp_chunk(a, c)->tag;
  if (mp_tag_state(tag) == MP_SLAB)
    free_small(a, c, off);
  else
    free_large(a, c, tag);
}

int mp_alloc(struct mp_arena *a, size_t size, mp_off *out) {
  int zero;
  return mp_block_alloc(a, MP_RAW, size, out, &zero);
}

void mp_free(struct mp_arena *a, mp_off off) {
  if (mp_self_need(a) < 0)
    return;
  int message = mp_block_kind(a, off) == MP_MESSAGE;
  if (message)
    mp_message_unref(a, off);
  if (mp_enter(a) < 0)
    return;
  int hand = mp_hand_find(a, off);
  if (hand >= 0)
    mp_hand_put(a, mp_log(a), hand, 0);
  mp_block_free(a, off);
  int trim = mp_trim_wanted(a);
  mp_leave(a);
  if (trim)
    mp_trim(a, 0);
  if (message)
    mp_object_bury(a);
}
