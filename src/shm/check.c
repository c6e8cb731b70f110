/*
** check.c: does every structure of the arena hold together?
** MIT licence, see LICENSE
**
** Walks it all under the guard.  The walker keeps private lists, so it trusts
** nothing that it has not checked; it gives the first fault in words.
*/

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/code.h"
#include "shm/inner.h"

struct list {
  mp_off *at;
  size_t len, cap;
};

struct walk {
  struct mp_arena *a;
  char *why;
  size_t room;
  struct list blocks; /* allocated, in order of place */
  struct list refs;   /* to objects, from handles and messages */
  struct list hands;  /* blocks in hand */
  uint64_t runs, run_chunks;
  uint64_t free[2];
  uint64_t listed; /* free runs seen by walking */
  uint64_t counts[MP_KINDS][MP_CLASSES];
  uint64_t with_room[MP_KINDS][MP_CLASSES];
};

static int fault(struct walk *w, const char *fmt, ...)
  __attribute__((format(printf, 2, 3)));

static int fault(struct walk *w, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  if (w->room > 0)
    vsnprintf(w->why, w->room, fmt, ap);
  va_end(ap);
  return MP_ECORRUPT;
}

static int add(void *list, mp_off off) {
  struct list *l = list;
  if (l->len == l->cap) {
    size_t cap = l->cap ? l->cap * 2 : 256;
    mp_off *at = realloc(l->at, cap * sizeof *at);
    if (at == NULL)
      return -ENOMEM;
    l->at = at;
    l->cap = cap;
  }
  l->at[l->len++] = off;
  return 0;
}

static int compare(const void *x, const void *y) {
  mp_off p = *(const mp_off *)x, q = *(const mp_off *)y;
  return p < q ? -1 : p > q;
}

static int has(const struct list *l, mp_off off) {
  return l->len > 0 &&
         bsearch(&off, l->at, l->len, sizeof off, compare) != NULL;
}

/* --- runs --- */

static int check_slab(struct walk *w, uint32_t c, uint64_t tag) {
  enum { NONE = 0xffff };
  const struct mp_chunk *e = mp_chunk(w->a, c);
  uint32_t class = mp_tag_class(tag), kind = mp_tag_kind(tag);
  if (class >= MP_CLASSES || kind >= MP_KINDS || mp_tag_count(tag) != 1)
    return fault(w, "chunk %u: bad slab tag %llx", c, (unsigned long long)tag);
  uint32_t size = mp_class_size(class), cap = (uint32_t)MP_CHUNK / size;
  uint32_t used = e->slab >> 16 & 0xffff, fresh = e->slab >> 32 & 0xffff;
  uint32_t i = e->slab & 0xffff, n = 0;
  unsigned char seen[MP_CHUNK / 16] = {0};
  if (fresh > cap || used > fresh)
    return fault(w, "slab %u: %u used, %u fresh of %u", c, used, fresh, cap);
  for (; i != NONE; n++) {
    if (i >= fresh || seen[i])
      return fault(w, "slab %u: free list runs into %u", c, i);
    seen[i] = 1;
    const uint64_t *word = mp_at(w->a, mp_chunk_off(w->a, c) + i * size);
    i = *word & 0xffff;
  }
  if (used + n != fresh)
    return fault(w, "slab %u: %u used + %u free != %u", c, used, n, fresh);
  w->counts[kind][class] += used + (used ? 0 : UINT64_C(1) << 48);
  w->with_room[kind][class] += used < cap;
  for (i = 0; i < fresh; i++) {
    if (!seen[i] && add(&w->blocks, mp_chunk_off(w->a, c) + i * size) < 0)
      return fault(w, "no memory to check");
  }
  return 0;
}

static int check_free(struct walk *w, uint32_t c, uint64_t tag) {
  uint32_t n = mp_tag_count(tag), end = c + n;
  int cold = (tag & MP_TAG_COLD) != 0;
  w->free[cold] += n;
  w->listed++;
  if (n > 1 && mp_chunk(w->a, end - 1)->tag != mp_tag(MP_TAIL, n))
    return fault(w, "free run %u+%u has no tail", c, n);
  if (end < mp_head(w->a)->top) {
    uint64_t next = mp_chunk(w->a, end)->tag;
    if (mp_tag_state(next) == MP_IS_FREE &&
        ((next ^ tag) & MP_TAG_COLD) == 0)
      return fault(w, "free runs %u and %u were not merged", c, end);
  }
  return 0;
}

static int check_run(struct walk *w, uint32_t c, uint64_t tag) {
  uint32_t n = mp_tag_count(tag), state = mp_tag_state(tag);
  if (n == 0 || n > mp_head(w->a)->top - c)
    return fault(w, "chunk %u: run of %u", c, n);
  if (state == MP_IS_FREE)
    return check_free(w, c, tag);
  if (state == MP_SLAB)
    return check_slab(w, c, tag);
  if (state != MP_RUN)
    return fault(w, "chunk %u: state %u", c, state);
  if (n > 1 && mp_tag_state(mp_chunk(w->a, c + n - 1)->tag) != MP_INNER)
    return fault(w, "run %u+%u ends in a free tag", c, n);
  w->runs++;
  w->run_chunks += n;
  return add(&w->blocks, mp_chunk_off(w->a, c)) < 0
           ? fault(w, "no memory to check")
           : 0;
}

static int check_runs(struct walk *w) {
  const struct mp_head *h = mp_head(w->a);
  int rc = 0;
  for (uint32_t c = 1; rc == 0 && c < h->top;) {
    uint64_t tag = mp_chunk(w->a, c)->tag;
    rc = check_run(w, c, tag);
    c += mp_tag_count(tag);
  }
  if (rc == 0 && (w->free[0] != h->free[0] || w->free[1] != h->free[1]))
    rc = fault(w, "free chunks: %llu and %llu, counted %llu and %llu",
               (unsigned long long)h->free[0], (unsigned long long)h->free[1],
               (unsigned long long)w->free[0], (unsigned long long)w->free[1]);
  if (rc == 0 && (w->runs != h->run_blocks || w->run_chunks != h->run_chunks))
    rc = fault(w, "runs: %llu of %llu chunks, counted %llu of %llu",
               (unsigned long long)h->run_blocks,
               (unsigned long long)h->run_chunks, (unsigned long long)w->runs,
               (unsigned long long)w->run_chunks);
  return rc;
}

/* --- lists --- */

static int check_bin(struct walk *w, int t, uint32_t bin) {
  const struct mp_head *h = mp_head(w->a);
  uint32_t c = h->bin[t][bin], before = 0;
  int marked = (int)(h->bin_map[t][bin / 64] >> bin % 64 & 1);
  if (marked != (c != 0))
    return fault(w, "bin %d/%u: map and list differ", t, bin);
  for (; c != 0; before = c, c = mp_chunk(w->a, c)->next) {
    const struct mp_chunk *e = mp_chunk(w->a, c);
    if (c >= h->top || mp_tag_state(e->tag) != MP_IS_FREE ||
        mp_bin_of(mp_tag_count(e->tag)) != bin || e->prev != before ||
        ((e->tag & MP_TAG_COLD) != 0) != (t == MP_COLD) || w->listed == 0)
      return fault(w, "bin %d/%u: wrong entry %u", t, bin, c);
    w->listed--;
  }
  return 0;
}

static int check_bins(struct walk *w) {
  for (int t = 0; t < 2; t++) {
    for (uint32_t bin = 0; bin < MP_BINS; bin++) {
      int rc = check_bin(w, t, bin);
      if (rc < 0)
        return rc;
    }
  }
  return w->listed ? fault(w, "%llu free runs are in no bin",
                           (unsigned long long)w->listed)
                   : 0;
}

static int check_class(struct walk *w, uint32_t kind, uint32_t class) {
  const struct mp_class *cl = &mp_head(w->a)->classes[kind][class];
  uint32_t before = 0;
  uint64_t n = 0;
  if (cl->counts != w->counts[kind][class])
    return fault(w, "class %u/%u: counts %llx, counted %llx", kind, class,
                 (unsigned long long)cl->counts,
                 (unsigned long long)w->counts[kind][class]);
  for (uint32_t c = cl->list; c != 0; c = mp_chunk(w->a, c)->next) {
    const struct mp_chunk *e = mp_chunk(w->a, c);
    if (c >= mp_head(w->a)->top || mp_tag_state(e->tag) != MP_SLAB ||
        mp_tag_class(e->tag) != class || mp_tag_kind(e->tag) != kind ||
        e->prev != before || n > w->with_room[kind][class])
      return fault(w, "class %u/%u: wrong slab %u", kind, class, c);
    before = c;
    n++;
  }
  if (n != w->with_room[kind][class])
    return fault(w, "class %u/%u: %llu slabs with room, %llu listed", kind,
                 class, (unsigned long long)w->with_room[kind][class],
                 (unsigned long long)n);
  return 0;
}

static int check_classes(struct walk *w) {
  int rc = 0;
  for (uint32_t kind = 0; kind < MP_KINDS; kind++)
    for (uint32_t i = 0; rc == 0 && i < MP_CLASSES; i++)
      rc = check_class(w, kind, i);
  return rc;
}

/* --- slots --- */

static int check_handles(struct walk *w, const struct mp_slot *s) {
  for (uint32_t n = 0; n < s->handle_top; n++) {
    uint32_t seg = mp_log2(n + 16) - 4;
    if (s->seg[seg] == 0)
      continue; /* numbers that came by a foreign fork */
    uint64_t entry = *mp_handle_word(w->a, s, n);
    if ((entry & 1) == 0 && add(&w->refs, entry) < 0)
      return fault(w, "no memory to check");
  }
  return 0;
}

static int check_slot(struct walk *w, const struct mp_slot *s) {
  long index = s - mp_slot_at(w->a, 0);
  if (s->state > MP_ENDED || s->generation == 0 || s->generation > 0xffff)
    return fault(w, "slot %ld: state %u, generation %u", index, s->state,
                 s->generation);
  for (int i = 0; i < MP_SEGS; i++) {
    if (s->seg[i] != 0 && !has(&w->blocks, s->seg[i]))
      return fault(w, "slot %ld: segment %d is no block", index, i);
  }
  for (int i = 0; i < MP_HAND; i++) {
    if (s->hand[i] == 0)
      continue;
    if (!has(&w->blocks, s->hand[i]))
      return fault(w, "slot %ld: entry %d in hand is no block", index, i);
    if (add(&w->hands, s->hand[i]) < 0)
      return fault(w, "no memory to check");
  }
  for (mp_off off = s->dying; off != 0;) {
    const struct mp_object *o = mp_at(w->a, off);
    if (!has(&w->blocks, off) || o->count != 0)
      return fault(w, "slot %ld: a dying object is not dying", index);
    if (add(&w->hands, off) < 0)
      return fault(w, "no memory to check");
    off = o->next;
  }
  return check_handles(w, s);
}

static int check_slots(struct walk *w) {
  const struct mp_head *h = mp_head(w->a);
  uint32_t n = 0, last = 0;
  for (uint32_t i = 0; i < h->slot_top; i++) {
    const struct mp_slot *s = mp_slot_at(w->a, i);
    int rc = s->state == MP_FREE ? 0 : check_slot(w, s);
    if (rc < 0)
      return rc;
  }
  for (uint32_t i = h->slot_first; i != 0; n++) {
    if (i > h->slot_top || n > h->slot_top ||
        mp_slot_at(w->a, i - 1)->state != MP_FREE)
      return fault(w, "the queue of free slots is broken at %u", i);
    last = i;
    i = mp_slot_at(w->a, i - 1)->next;
  }
  if (n != h->slot_free || last != h->slot_last)
    return fault(w, "%u free slots, %u in the queue", h->slot_free, n);
  return 0;
}

/* --- objects and messages --- */

static uint64_t count_of(const struct list *refs, mp_off off, size_t *at) {
  uint64_t n = 0;
  while (*at < refs->len && refs->at[*at] < off)
    (*at)++;
  for (; *at < refs->len && refs->at[*at] == off; (*at)++)
    n++;
  return n;
}

/* Each reference that can be seen is counted; structures may hold more. */
static int check_objects(struct walk *w) {
  size_t at = 0;
  for (size_t i = 0; i < w->blocks.len; i++) {
    mp_off off = w->blocks.at[i];
    if (mp_block_kind(w->a, off) != MP_OBJECT || has(&w->hands, off))
      continue;
    const struct mp_object *o = mp_at(w->a, off);
    uint64_t n = count_of(&w->refs, off, &at);
    if (o->magic != MP_OBJECT_MAGIC || o->count == 0)
      return fault(w, "the object at %llx is lost", (unsigned long long)off);
    if (n > o->count)
      return fault(w, "the object at %llx: count %llu, %llu references",
                   (unsigned long long)off, (unsigned long long)o->count,
                   (unsigned long long)n);
  }
  return 0;
}

static int check_refs(struct walk *w) {
  for (size_t i = 0; i < w->refs.len; i++) {
    if (!has(&w->blocks, w->refs.at[i]) ||
        mp_block_kind(w->a, w->refs.at[i]) != MP_OBJECT)
      return fault(w, "a reference to %llx, where no object is",
                   (unsigned long long)w->refs.at[i]);
  }
  return 0;
}

static void sort(struct list *l) {
  if (l->len > 0)
    qsort(l->at, l->len, sizeof *l->at, compare);
}

static int add_messages(struct walk *w) {
  for (size_t i = 0; i < w->blocks.len; i++) {
    mp_off off = w->blocks.at[i];
    if (mp_block_kind(w->a, off) == MP_MESSAGE &&
        mp_message_refs(w->a, off, add, &w->refs) < 0)
      return fault(w, "no memory to check");
  }
  return 0;
}

static int walk(struct walk *w) {
  int rc = check_runs(w);
  if (rc == 0)
    rc = check_bins(w);
  if (rc == 0)
    rc = check_classes(w);
  if (rc == 0)
    rc = check_slots(w);
  if (rc == 0)
    rc = add_messages(w);
  sort(&w->refs);
  sort(&w->hands);
  if (rc == 0)
    rc = check_refs(w);
  return rc == 0 ? check_objects(w) : rc;
}

int mp_arena_check(struct mp_arena *a, char *why, size_t room) {
  struct walk *w = calloc(1, sizeof *w);
  if (w == NULL)
    return -ENOMEM;
  w->a = a;
  w->why = why;
  w->room = room;
  int rc = mp_enter(a);
  if (rc == 0) {
    rc = walk(w);
    mp_leave(a);
  } else {
    fault(w, "%s", mp_code_text(rc));
  }
  free(w->blocks.at);
  free(w->refs.at);
  free(w->hands.at);
  free(w);
  return rc;
}
