/*
** ring.c: messages in a chain of segments
** MIT licence, see LICENSE
*/

#include "store/ring.h"

#include <errno.h>
#include <string.h>

#include "base/code.h"
#include "shm/object.h"
#include "shm/slot.h"

enum { SEGMENT = 32 * 1024 - 64 }; /* bytes, head included */
enum { K_INLINE = 1, K_BLOCK = 2 };

struct segment {
  mp_off next;
  uint64_t end; /* where its records end */
};

struct record {
  uint32_t size; /* of an inline message */
  uint32_t kind;
};

static uint64_t padded(uint64_t n) {
  return (n + 7) & ~UINT64_C(7);
}

static struct segment *segment_at(const struct mp_arena *a, mp_off off) {
  return mp_at(a, off);
}

static struct record *record_at(const struct mp_arena *a, mp_off seg,
                                uint64_t pos) {
  return (struct record *)(void *)((unsigned char *)mp_at(a, seg) + pos);
}

/* --- messages ------------------------------------------------------------- */

int mp_parcel_ready(struct mp_arena *a, const struct mp_parcel *p,
                    mp_off *block) {
  mp_off off = 0;
  if (p->size > MP_INLINE_MAX || p->nrefs > 0) {
    int rc = mp_message_alloc(a, p->size, p->refs, p->nrefs, &off);
    if (rc < 0)
      return rc;
    p->fill(p->source, mp_message_data(a, off));
  }
  *block = off;
  return 0;
}

void mp_item_free(struct mp_arena *a, struct mp_item *item) {
  if (item->block != 0)
    mp_message_free(a, item->block);
  item->block = 0;
}

/* --- putting -------------------------------------------------------------- */

/* The next segment to write to: the spare one, or a new one. */
static int fresh_segment(struct mp_arena *a, struct mp_guard *g,
                         struct mp_ring *r, mp_off *out) {
  if (r->spare != 0) {
    *out = r->spare;
    mp_set64(a, g, &r->spare, 0);
    return 0;
  }
  int rc = mp_alloc(a, SEGMENT, out);
  if (rc < 0)
    return rc;
  mp_hand_clear(a, g, *out);
  return 0;
}

static int make_room(struct mp_arena *a, struct mp_guard *g,
                     struct mp_ring *r, uint64_t need) {
  mp_off seg;
  if (r->last != 0 && r->wpos + need <= SEGMENT)
    return 0;
  int rc = fresh_segment(a, g, r, &seg);
  if (rc < 0)
    return rc;
  if (r->last == 0) {
    mp_set64(a, g, &r->first, seg);
    mp_set64(a, g, &r->rpos, sizeof(struct segment));
  }
  else {
    segment_at(a, r->last)->end = r->wpos;
    segment_at(a, r->last)->next = seg;
  }
  mp_set64(a, g, &r->last, seg);
  mp_set64(a, g, &r->wpos, sizeof(struct segment));
  return 0;
}

int mp_ring_push(struct mp_arena *a, struct mp_guard *g, struct mp_ring *r,
                 const struct mp_parcel *p, mp_off block) {
  uint64_t size = block != 0 ? sizeof(mp_off) : p->size;
  uint64_t need = sizeof(struct record) + padded(size);
  int rc = make_room(a, g, r, need);
  if (rc < 0)
    return rc;
  struct record *rec = record_at(a, r->last, r->wpos); /* not reachable yet */
  rec->size = (uint32_t)size;
  rec->kind = block != 0 ? K_BLOCK : K_INLINE;
  if (block != 0)
    memcpy(rec + 1, &block, sizeof(block));
  else
    p->fill(p->source, rec + 1);
  mp_set64(a, g, &r->wpos, r->wpos + need);
  mp_set64(a, g, &r->nput, r->nput + 1);
  if (block != 0)
    mp_hand_clear(a, g, block);
  return 0;
}

/* --- taking --------------------------------------------------------------- */

/* Is the first segment used up, with another one behind it? */
static int is_used_up(const struct mp_arena *a, const struct mp_ring *r) {
  return r->first != r->last && r->rpos == segment_at(a, r->first)->end;
}

/* Goes on to the second segment.  The first becomes the spare one, or comes
** into the hand as *garbage. */
static int next_segment(struct mp_arena *a, struct mp_guard *g,
                        struct mp_ring *r, mp_off *garbage) {
  mp_off old = r->first;
  if (r->spare == 0)
    mp_set64(a, g, &r->spare, old);
  else {
    int rc = mp_hand_set(a, g, old);
    if (rc < 0)
      return rc;
    *garbage = old;
  }
  mp_set64(a, g, &r->first, segment_at(a, old)->next);
  mp_set64(a, g, &r->rpos, sizeof(struct segment));
  return 0;
}

static int take_record(struct mp_arena *a, struct mp_guard *g,
                       const struct record *rec, void *small,
                       struct mp_item *item) {
  mp_off block = 0;
  if (rec->kind == K_INLINE) {
    memcpy(small, rec + 1, rec->size);
    item->data = small;
    item->size = rec->size;
  }
  else {
    memcpy(&block, rec + 1, sizeof(block));
    int rc = mp_hand_set(a, g, block);
    if (rc < 0)
      return rc;
    item->data = mp_message_data(a, block);
    item->size = mp_message_size(a, block);
  }
  item->block = block;
  return 0;
}

/* Behind the record at rpos; an empty ring starts at the beginning of its
** segment again, which is warm. */
static void step_on(struct mp_arena *a, struct mp_guard *g, struct mp_ring *r,
                    const struct record *rec) {
  uint64_t pos = r->rpos + sizeof(*rec) + padded(rec->size);
  mp_set64(a, g, &r->nget, r->nget + 1);
  if (r->nget == r->nput) {
    mp_set64(a, g, &r->wpos, sizeof(struct segment));
    pos = sizeof(struct segment);
  }
  mp_set64(a, g, &r->rpos, pos);
}

int mp_ring_pop(struct mp_arena *a, struct mp_guard *g, struct mp_ring *r,
                void *small, struct mp_item *item, mp_off *garbage) {
  *garbage = 0;
  if (r->nput == r->nget)
    return MP_EEMPTY;
  int rc = is_used_up(a, r) ? next_segment(a, g, r, garbage) : 0;
  if (rc < 0)
    return rc;
  const struct record *rec = record_at(a, r->first, r->rpos);
  rc = take_record(a, g, rec, small, item);
  if (rc < 0) {
    mp_guard_undo(a, g);
    *garbage = 0;
    return rc;
  }
  step_on(a, g, r, rec);
  return 0;
}

int mp_ring_peek(struct mp_arena *a, const struct mp_ring *r, uint64_t *size,
                 int *in_block) {
  mp_off seg = r->first, block;
  uint64_t pos = r->rpos;
  if (r->nput == r->nget)
    return MP_EEMPTY;
  if (is_used_up(a, r)) {
    seg = segment_at(a, seg)->next;
    pos = sizeof(struct segment);
  }
  const struct record *rec = record_at(a, seg, pos);
  *in_block = rec->kind == K_BLOCK;
  *size = rec->size;
  if (*in_block) {
    memcpy(&block, rec + 1, sizeof(block));
    *size = mp_message_size(a, block);
  }
  return 0;
}

/* --- the end -------------------------------------------------------------- */

void mp_word_free(struct mp_arena *a, struct mp_guard *g, mp_off *word) {
  if (*word == 0 || mp_guard_enter(a, g) < 0)
    return;
  mp_off block = *word;
  int rc = mp_hand_set(a, g, block);
  if (rc == 0)
    mp_set64(a, g, word, 0);
  mp_guard_leave(a, g);
  if (rc == 0)
    mp_free(a, block);
}

static int drop_message(struct mp_arena *a, struct mp_guard *g,
                        struct mp_ring *r) {
  unsigned char small[MP_INLINE_MAX];
  struct mp_item item;
  mp_off garbage;
  int rc = mp_guard_enter(a, g);
  if (rc < 0)
    return rc;
  rc = mp_ring_pop(a, g, r, small, &item, &garbage);
  mp_guard_leave(a, g);
  if (garbage != 0)
    mp_free(a, garbage);
  if (rc == 0)
    mp_item_free(a, &item);
  return rc;
}

void mp_ring_clear(struct mp_arena *a, struct mp_guard *g,
                   struct mp_ring *r) {
  while (drop_message(a, g, r) == 0)
    ;
  mp_word_free(a, g, &r->spare);
  mp_word_free(a, g, &r->first); /* empty: the same as last */
}
