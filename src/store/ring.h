/*
** ring.h: messages in a chain of segments: the store behind queues and pipes
** MIT licence, see LICENSE
**
** First in, first out, as long as memory lasts.  The ring has no lock of its
** own: the functions below run inside the guard of the structure that it is
** part of, and every change goes through that guard's undo log.  A message
** that is short and carries no references lies in the segment itself; any
** other is a message block, which the record names.
**
**    first                                     last            spare
**      |                                         |               |
**    +-v-----------------+   +-----------+   +---v-------+   +---v-------+
**    | next end | r r r  |-->| r r r r r |-->| r r r     |   | (empty)   |
**    +---------------^---+   +-----------+   +--------^--+   +-----------+
**                   rpos                             wpos
**
**    record: [ size:32 | kind:32 ] bytes, padded to 8
**
** A segment's `next` and `end` are read only when it is not the last one, so
** they are written before `last` moves on, and need no log.
** nput == nget is an empty ring; then first == last and rpos == wpos.
*/

#ifndef MP_STORE_RING_H
#define MP_STORE_RING_H

#include <stddef.h>
#include <stdint.h>

#include "shm/arena.h"
#include "shm/guard.h"

enum { MP_INLINE_MAX = 2048 }; /* bytes of a message that lies in a segment */

/* An encoded message on its way in. */
struct mp_parcel {
  uint64_t size;
  const mp_off *refs; /* shared objects that travel in it */
  uint32_t nrefs;
  void (*fill)(const void *source, void *dst); /* writes size bytes */
  const void *source;
};

/* A message on its way out.  What is in a block is in this process's hand. */
struct mp_item {
  const void *data;
  uint64_t size;
  mp_off block; /* 0: the bytes were copied to the caller's memory */
};

/* Part of a larger shared structure; all zero is an empty ring.  Behind a
** struct mp_object, what seldom changes fills its cache line. */
struct mp_ring {
  mp_off first;
  mp_off last;
  mp_off spare;
  uint64_t pad;
  uint64_t rpos;
  uint64_t wpos;
  uint64_t nput; /* messages ever put */
  uint64_t nget; /* messages ever taken */
};

static inline uint64_t mp_ring_count(const struct mp_ring *r) {
  return r->nput - r->nget;
}

/* A hint for one who does not hold the guard and would wait anyway: it leaves
** the guard to those who change the ring.  Wrong where a dead process's work
** is not undone yet, so only for a first look. */
static inline int mp_ring_seems_empty(const struct mp_ring *r) {
  const volatile uint64_t *put = &r->nput, *got = &r->nget;
  return *put == *got;
}

/* --- outside the guard --- */

/* Readies a message: makes and fills its block where it needs one (*block,
** in the hand), else *block = 0.  0, MP_ENOARENA, -EBUSY. */
int mp_parcel_ready(struct mp_arena *a, const struct mp_parcel *p,
                    mp_off *block);

/* Frees the block of a message that was taken; idempotent. */
void mp_item_free(struct mp_arena *a, struct mp_item *item);

/* --- inside guard g --- */

/* Appends a readied message; its block leaves the hand.  0 or MP_ENOARENA
** (then nothing was changed).  At most 8 words of log. */
int mp_ring_push(struct mp_arena *a, struct mp_guard *g, struct mp_ring *r,
                 const struct mp_parcel *p, mp_off block);

/*
** Takes the first message; a short one is copied to `small`, which has
** MP_INLINE_MAX bytes (or what mp_ring_peek says).  MP_EEMPTY, or -EBUSY when
** the hand is full: then the open transaction is undone.  *garbage is a
** segment that came into the hand and is to be freed after the guard, or 0.
** At most 9 words of log.
*/
int mp_ring_pop(struct mp_arena *a, struct mp_guard *g, struct mp_ring *r,
                void *small, struct mp_item *item, mp_off *garbage);

/* The size of the first message and whether it is in a block.  MP_EEMPTY. */
int mp_ring_peek(struct mp_arena *a, const struct mp_ring *r, uint64_t *size,
                 int *in_block);

/* --- when nobody else can reach it, in a destroy function --- */

/* Frees all messages and segments, in steps that may be interrupted by death
** and begun again.  g guards the structure. */
void mp_ring_clear(struct mp_arena *a, struct mp_guard *g, struct mp_ring *r);

/* Frees the block that *word names and forgets it, in the same way. */
void mp_word_free(struct mp_arena *a, struct mp_guard *g, mp_off *word);

#endif
