/*
** arena.h: one piece of memory for a family of processes
** MIT licence, see LICENSE
**
** The first process makes one sparse, sealed memfd with a large address range
** and hands it to every descendant.  What lies in it is named by its offset,
** so a name of eight bytes means the same thing in every process of the
** family, wherever the arena is mapped there.  Nothing has a name in the file
** system; when the last process is gone the kernel frees it all.
**
** The arena is never unmapped before the process ends (a robust lock held
** at that moment would be lost).
**
**   offset 0        head: magic, version, sizes, the arena's guard
**          ...      slots (slot.h)
**          ...      chunk table, then chunks of MP_CHUNK bytes: small blocks by
**                   size class, large ones in runs of chunks
*/

#ifndef MP_SHM_ARENA_H
#define MP_SHM_ARENA_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t mp_off; /* a place in the arena; 0 is no place */

struct mp_guard;
struct mp_slot;

/*
** This process's view.  One a process: see mp_arena_self.  The first three
** are for everybody; what follows belongs to the room: who this process is in
** the arena.  It counts only while self_pid is the pid, so a process that was
** forked behind our back is seen.
*/
struct mp_arena {
  unsigned char *base;
  uint64_t size; /* of the address range */
  int fd;
  _Atomic int32_t self_pid;   /* for whom the rest counts; 0: nobody */
  _Atomic uint32_t self_proc; /* mp_proc */
  struct mp_slot *self_slot;
  _Atomic uint32_t hand_busy; /* entries of the hand that are spoken for */
  _Atomic uint32_t high;      /* handle numbers given so far */
  uint32_t pinned;            /* handles below came by a foreign fork */
  _Atomic int burying;        /* a thread is destroying dead objects */
  _Atomic uint64_t budget;    /* bytes that may be committed unasked */
};

/* What the processes' own handle tables take is not counted in used and
** blocks, so that two readings tell whether anything leaked between. */
struct mp_arena_stats {
  uint64_t range;     /* bytes of address range */
  uint64_t committed; /* bytes that have pages */
  uint64_t used;      /* bytes in allocated blocks, headers included */
  uint64_t blocks;    /* number of allocated blocks */
};

static inline void *mp_at(const struct mp_arena *a, mp_off off) {
  return a->base + off;
}

/* A place that every process of the family finds, zero at first, for a room
** above that needs something before any object is made: sync/output.h. */
#define MP_ROOT 4096
void *mp_arena_root(const struct mp_arena *a);

static inline mp_off mp_off_of(const struct mp_arena *a, const void *p) {
  return (mp_off)((const unsigned char *)p - a->base);
}

/*
** The arena of this process's family: made, or attached, on the first call.
** 0, or a negative code (no memfd, no address space, no memory).
** Thread-safe.  After a fork the child has it already.
*/
int mp_arena_self(struct mp_arena **out);
struct mp_arena *mp_arena_if_any(void); /* NULL before the first use */

/* Joins the family whose arena is behind fd (spawn, forkserver); takes the
** fd.  Must come before the first mp_arena_self.  -MP_ECORRUPT style codes
** when it is no arena of this version. */
int mp_arena_join(int fd);

/* For tests: an arena of its own, never smaller than 16 MiB. */
int mp_arena_create(struct mp_arena *out, uint64_t size);
/* For tests: a further view of the arena behind fd; takes the fd. */
int mp_arena_attach(struct mp_arena *out, int fd);
/* For tests: forgets the view; nothing of it may be in use. */
void mp_arena_detach(struct mp_arena *a);

/* Is [off, off+len) inside the arena?  For offsets that came in messages. */
int mp_arena_contains(const struct mp_arena *a, mp_off off, uint64_t len);

/*
** Allocates a block of at least `size` bytes, 16-byte aligned, contents
** undefined.  The block is in the *hand* of this process (slot.h): if the
** process dies, a sweep frees it.  It leaves the hand when it is freed, or
** by mp_hand_clear inside the transaction that gives it to a structure.
** 0, MP_ENOARENA, MP_EPOISONED; -EBUSY when the hand is full.
*/
int mp_alloc(struct mp_arena *a, size_t size, mp_off *out);

/*
** Frees a block, in hand or not (a message with its references).  Never fails;
** a wrong offset is our own mistake (asserted).  To free a block that a
** structure owns, take it into the hand in the transaction in which the
** structure forgets it, leave the structure's guard, then free it: whoever is
** killed between, the block is neither lost nor freed twice.  A message is
** freed outside all guards: its references may be the last ones, and then the
** objects are destroyed in this call.
*/
void mp_free(struct mp_arena *a, mp_off off);

/* The bytes that a block really has. */
size_t mp_block_size(const struct mp_arena *a, mp_off off);

void mp_arena_stats(struct mp_arena *a, struct mp_arena_stats *out);

/*
** Walks every structure of the allocator and the slots under the guard.
** 0, or MP_ECORRUPT with a line in `why`.  For tests and after repairs.
*/
int mp_arena_check(struct mp_arena *a, char *why, size_t room);

#endif
