/*
** inner.h: the arena's layout, for this room alone
** MIT licence, see LICENSE
**
**   head | slots (MP_SLOTS) | chunk table | chunk 1 | chunk 2 | ...
**
** A chunk is 64 KiB.  Chunks below head.top belong to runs, one next to the
** other, each described by the table entry of its first chunk:
**
**   RUN    one allocated block of many chunks
**   SLAB   one chunk cut into blocks of one size class
**   FREE   nobody's; its last entry (TAIL) repeats the length, so that a run
**          that is freed behind it finds its beginning
**
** Free runs are warm (they have pages) or cold (they may have holes); both have
** bins by size.  Neighbours of one temperature are merged at once; a cold run
** gets its pages before it is used, outside the guard, while in the taker's
** hand.  Entry 0 is never used: 0 is no chunk.
*/

#ifndef MP_SHM_INNER_H
#define MP_SHM_INNER_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#include "os/self.h"
#include "shm/arena.h"
#include "shm/guard.h"
#include "shm/object.h"
#include "shm/slot.h"

#define MP_CHUNK ((uint64_t)65536)
#define MP_MAGIC UINT64_C(0x31616c706d617031) /* of an arena */
#define MP_OBJECT_MAGIC UINT32_C(0x4d504f42)

enum {
  MP_VERSION = 1,
  MP_CLASSES = 40,
  MP_BINS = 128,
  MP_SEGS = 24, /* handle segments of a slot: 16, 32, 64... entries */
  MP_SMALL_MAX = 32768
};

enum mp_run_state { MP_INNER, MP_IS_FREE, MP_RUN, MP_SLAB, MP_TAIL };
enum mp_block_kind { MP_RAW, MP_MESSAGE, MP_OBJECT, MP_KINDS };
enum { MP_WARM, MP_COLD };

/* tag: state in bits 0-7, class 8-15, kind 16-17, cold 24, mixed 25 (cold, but
** with old contents between the holes), chunks in bits 32-63. */
#define MP_TAG_COLD (UINT64_C(1) << 24)
#define MP_TAG_MIXED (UINT64_C(1) << 25)

struct mp_chunk {
  uint64_t tag;
  uint64_t slab; /* free block 0-15 (0xffff none), used 16-31, fresh 32-47 */
  uint32_t next; /* in its bin or its class's list */
  uint32_t prev;
};

struct mp_class {
  uint64_t counts; /* allocated blocks in bits 0-47, empty slabs above */
  uint32_t list;   /* slabs with room */
  uint32_t pad;
};

struct mp_slot {
  alignas(64) uint32_t state;
  uint32_t generation;
  int32_t pid;
  int32_t status;
  uint64_t born_by;
  uint32_t creator;
  uint32_t next;  /* free slots */
  uint32_t ready; /* the handles are copied: a child may be on its way */
  uint32_t handle_top;
  uint32_t handle_free; /* number + 1 */
  uint32_t pad;
  int64_t since; /* when it was taken */
  uint64_t dying; /* objects that nobody refers to any more */
  uint64_t seg[MP_SEGS];
  uint64_t hand[MP_HAND];
  _Atomic uint64_t holding[MP_HOLDING];
};

struct mp_head {
  uint64_t magic;
  uint32_t version;
  _Atomic uint32_t poisoned;
  uint64_t size;
  uint64_t slots;  /* place of slot 0 */
  uint64_t table;  /* place of entry 0 */
  uint64_t chunks; /* place where chunk 0 would be */
  uint32_t chunk_max;
  uint32_t pad;
  alignas(64) struct mp_guard guard;
  alignas(64) struct mp_guard sweep; /* one sweeper at a time; no log */
  /* runs */
  uint32_t top;         /* chunks from here on were never used */
  uint32_t table_ready; /* entries below have pages */
  uint64_t free[2];     /* chunks in free runs, warm and cold */
  uint64_t run_chunks;  /* in allocated runs */
  uint64_t run_blocks;
  uint64_t split; /* warm and cold neighbours since they were last merged */
  uint64_t bin_map[2][2];
  uint32_t bin[2][MP_BINS];
  struct mp_class classes[MP_KINDS][MP_CLASSES];
  /* slots */
  uint32_t slot_top;   /* slots from here on were never used */
  uint32_t slot_ready; /* slots below have pages */
  uint32_t slot_first; /* free ones, index + 1, first in first out */
  uint32_t slot_last;
  uint32_t slot_free;
  _Atomic int64_t scanned; /* when a waiter last looked at all of them */
  _Atomic uint32_t cursor; /* the next one that mp_slot_take looks at */
  alignas(64) unsigned char root[MP_ROOT];
};

static inline struct mp_head *mp_head(const struct mp_arena *a) {
  return (struct mp_head *)(void *)a->base;
}

static inline struct mp_chunk *mp_chunk(const struct mp_arena *a, uint32_t c) {
  return (struct mp_chunk *)mp_at(a, mp_head(a)->table) + c;
}

static inline mp_off mp_chunk_off(const struct mp_arena *a, uint32_t c) {
  return mp_head(a)->chunks + (uint64_t)c * MP_CHUNK;
}

static inline uint32_t mp_chunk_of(const struct mp_arena *a, mp_off off) {
  return (uint32_t)((off - mp_head(a)->chunks) / MP_CHUNK);
}

static inline struct mp_slot *mp_slot_at(const struct mp_arena *a,
                                         uint32_t index) {
  return (struct mp_slot *)mp_at(a, mp_head(a)->slots) + index;
}

static inline uint64_t mp_tag(uint32_t state, uint32_t count) {
  return state | (uint64_t)count << 32;
}
static inline uint32_t mp_tag_state(uint64_t tag) {
  return (uint32_t)tag & 0xff;
}
static inline uint32_t mp_tag_class(uint64_t tag) {
  return (uint32_t)tag >> 8 & 0xff;
}
static inline uint32_t mp_tag_kind(uint64_t tag) {
  return (uint32_t)tag >> 16 & 3;
}
static inline uint32_t mp_tag_count(uint64_t tag) {
  return (uint32_t)(tag >> 32);
}

static inline uint32_t mp_log2(uint32_t n) {
  return 31 - (uint32_t)__builtin_clz(n);
}

/* --- arena.c --- */

static inline int mp_enter(struct mp_arena *a) {
  return mp_guard_enter(a, &mp_head(a)->guard);
}
static inline void mp_leave(struct mp_arena *a) {
  mp_guard_leave(a, &mp_head(a)->guard);
}
static inline struct mp_guard *mp_log(struct mp_arena *a) {
  return &mp_head(a)->guard;
}

/* Memory for [off, off+len): 0 or MP_ENOARENA.  Asks the machine first where
** it is much. */
int mp_space_commit(struct mp_arena *a, uint64_t off, uint64_t len);

/* Damage that cannot be repaired was found: nothing works from now on. */
int mp_poison(struct mp_arena *a);

/* --- self.c --- */

int mp_self_find(struct mp_arena *a); /* the slow way */

/* A slot without handles, STARTING; creator 0: for this process itself. */
int mp_slot_take_for(struct mp_arena *a, mp_proc creator, mp_proc *out);

/* This process's slot is in a->self_slot.  0 or a negative code. */
static inline int mp_self_need(struct mp_arena *a) {
  if (atomic_load_explicit(&a->self_pid, memory_order_acquire) ==
      (int32_t)mp_self_pid())
    return 0;
  return mp_self_find(a);
}

/* --- hand.c --- */

/* An entry of the hand for this thread alone: its number, or -EBUSY. */
int mp_hand_claim(struct mp_arena *a);
void mp_hand_unclaim(struct mp_arena *a, int entry);

/* Inside a guard: changes an entry. */
void mp_hand_put(struct mp_arena *a, struct mp_guard *g, int entry,
                 mp_off block);
/* Where this process's hand has the block, or -1. */
int mp_hand_find(struct mp_arena *a, mp_off block);
/* The guard is about to be left: entries that were emptied in it are free. */
void mp_hand_settle(struct mp_arena *a, const struct mp_guard *g);

/* --- run.c, grow.c: runs of chunks --- */

/* Takes a run of n chunks into entry `hand` of the hand; state RUN with pages.
** *zero: it is known to be all zero.  0, MP_ENOARENA, MP_EPOISONED; on
** failure the entry is not claimed any more. */
int mp_run_alloc(struct mp_arena *a, uint32_t n, int hand, uint32_t *out,
                 int *zero);
/* Inside the guard. */
int mp_run_find(struct mp_arena *a, int temperature, uint32_t n, int last,
                uint32_t *out);
void mp_run_take(struct mp_arena *a, uint32_t c, uint32_t n);
void mp_run_free(struct mp_arena *a, uint32_t c, uint32_t n, uint64_t flags);
void mp_run_merge_all(struct mp_arena *a);
uint32_t mp_run_largest(struct mp_arena *a, int temperature);
uint32_t mp_bin_of(uint32_t n);

/* Changes the tag of a run that is in this process's hand.  Outside. */
int mp_run_flag(struct mp_arena *a, uint32_t c, uint64_t tag);

/* Gives free memory beyond the warm reserve (or `all` of it) back to the
** kernel.  Outside the guard. */
void mp_trim(struct mp_arena *a, int all);
int mp_trim_wanted(const struct mp_arena *a);

/* --- alloc.c --- */

int mp_block_alloc(struct mp_arena *a, uint32_t kind, uint64_t size,
                   mp_off *out, int *zero);
/* Inside the guard; may commit what the caller logged before. */
void mp_block_free(struct mp_arena *a, mp_off off);
uint32_t mp_class_size(uint32_t class);
/* The chunk of an allocated run or slab at off, 0 when there is none. */
uint32_t mp_block_chunk(const struct mp_arena *a, mp_off off);
uint32_t mp_block_kind(const struct mp_arena *a, mp_off off);

/* --- handle.c --- */

/* Where a slot keeps handle n. */
uint64_t *mp_handle_word(const struct mp_arena *a, const struct mp_slot *s,
                         uint32_t n);
/* Room for one more: enters the guard and stays inside on success. */
int mp_handle_enter(struct mp_arena *a);
uint32_t mp_handle_add(struct mp_arena *a, mp_off off); /* inside */
int mp_handle_copy(struct mp_arena *a, const struct mp_slot *from,
                   struct mp_slot *to);
/* Releases every handle of a slot, and its table. */
void mp_handle_release_all(struct mp_arena *a, struct mp_slot *s);

/* --- object.c --- */

/* Inside the guard: one reference less; a dying one goes on the list. */
void mp_object_less(struct mp_arena *a, mp_off off);
/* Destroys what is on this process's list.  Outside all guards. */
void mp_object_bury(struct mp_arena *a);
/* One by one, each a step: the references of a message. */
void mp_message_unref(struct mp_arena *a, mp_off message);

/* Calls `each` until it returns a negative number, which is passed on. */
int mp_message_refs(const struct mp_arena *a, mp_off message,
                    int (*each)(void *ctx, mp_off ref), void *ctx);

/* --- sweep.c --- */

/* What is in the hand and on the list of dying objects, and the handles. */
void mp_slot_release(struct mp_arena *a, struct mp_slot *s);
/* Does the process behind a slot live?  Outside the guard. */
int mp_slot_lives(struct mp_arena *a, const struct mp_slot *s);
void mp_slot_look(struct mp_arena *a); /* sweeps one, if it is dead */
void mp_slot_put_back(struct mp_arena *a, struct mp_slot *s); /* to FREE */

static inline mp_proc mp_proc_of(const struct mp_arena *a,
                                 const struct mp_slot *s) {
  return (mp_proc)(s - mp_slot_at(a, 0)) | s->generation << 14;
}

/* The slot of p if it is still p's, else NULL. */
static inline struct mp_slot *mp_slot_of(const struct mp_arena *a, mp_proc p) {
  uint32_t index = mp_proc_index(p);
  if (p == 0 || index >= mp_head(a)->slot_top)
    return NULL;
  struct mp_slot *s = mp_slot_at(a, index);
  return s->generation == p >> 14 && s->state != MP_FREE ? s : NULL;
}

#endif
