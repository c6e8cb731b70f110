/*
** queue.h: a queue of encoded messages in the arena
** MIT licence, see LICENSE
**
** Many producers, many consumers, first in, first out, each message exactly
** once.  A message that was put stays put, whatever becomes of its producer;
** a process that is killed inside put leaves all of its message or nothing,
** inside get it takes at most the one message with it.
**
** The functions know nothing of Lua.  Those with a deadline block (os/clock.h;
** 0 does not wait) and return -EINTR when a signal handler ran: the caller
** calls again with the same deadline.  Any process of the family may call
** them, on a handle of its own (shm/object.h) that it keeps meanwhile.
*/

#ifndef MP_STORE_QUEUE_H
#define MP_STORE_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "shm/arena.h"
#include "shm/guard.h"
#include "shm/object.h"
#include "sync/gate.h"
#include "store/ring.h"
#include "store/watch.h"

enum mp_queue_flags {
  MP_Q_JOINABLE = 1,
  MP_Q_SHUT = 2,    /* no more puts */
  MP_Q_DROPPED = 4  /* shut down at once: no more gets either */
};

/* How many messages a process took and has not called task_done for. */
struct mp_taker {
  uint32_t proc; /* mp_proc; 0: free */
  uint32_t spare;
  uint64_t undone;
};

/* What all write at every message lies together; what getters spin on, and
** what is only read, are kept off those cache lines. */
struct mp_queue {
  struct mp_object head;
  struct mp_ring ring;
  struct mp_guard guard;
  uint64_t undone; /* joinable: put and neither done nor dropped */
  uint32_t pad0[14];
  struct mp_gate items; /* something to get */
  uint32_t pad1[14];
  uint64_t maxsize; /* messages; 0: no limit */
  uint32_t flags;
  uint32_t ntakers; /* room in the table */
  mp_off takers;    /* joinable: table of struct mp_taker */
  struct mp_watch watch;
  struct mp_gate room; /* room to put */
  struct mp_gate done; /* undone fell to 0 */
};

/* Several short messages, or a few long ones, taken at once. */
enum { MP_BATCH = 64, MP_BATCH_BLOCKS = 8, MP_BATCH_BYTES = 16384 };

struct mp_batch {
  uint32_t count;
  uint32_t blocks;
  uint64_t used;
  struct mp_item item[MP_BATCH];
  unsigned char bytes[MP_BATCH_BYTES];
};

/* --- birth ---------------------------------------------------------------- */

/* Registers the destroy function; called by mp_queue_create, and by whoever
** may let a queue go that it did not create.  Idempotent. */
void mp_queue_setup(void);

/* After mp_object_create with size sizeof(struct mp_queue): makes it a queue
** before anybody else can see it. */
int mp_queue_init(struct mp_queue *q, uint64_t maxsize, uint32_t flags);

/* Both in one. */
int mp_queue_create(struct mp_arena *a, uint64_t maxsize, uint32_t flags,
                    mp_off *out, uint32_t *handle);

/* --- putting and getting -------------------------------------------------- */

/* 0; MP_EFULL at the deadline; MP_ESHUTDOWN; MP_ENOARENA, MP_EPOISONED (the
** queue is as it was); -EINTR. */
int mp_queue_put(struct mp_arena *a, struct mp_queue *q,
                 const struct mp_parcel *p, int64_t deadline);

/* Puts n messages in order, others' may come between.  *done counts those
** that were put, also when an error ends it. */
int mp_queue_put_many(struct mp_arena *a, struct mp_queue *q,
                      const struct mp_parcel *p, size_t n, int64_t deadline,
                      size_t *done);

/* A short message is copied to `small`, of MP_INLINE_MAX bytes.  0; MP_EEMPTY
** at the deadline; MP_ESHUTDOWN; -EBUSY when this process's hand is full;
** -EINTR.  mp_item_free when it was read. */
int mp_queue_get(struct mp_arena *a, struct mp_queue *q, void *small,
                 struct mp_item *item, int64_t deadline);

/* Waits for the first message, takes up to `max` that are there.  Codes as
** get's.  b->count of them. */
int mp_queue_get_many(struct mp_arena *a, struct mp_queue *q,
                      struct mp_batch *b, size_t max, int64_t deadline);
void mp_batch_free(struct mp_arena *a, struct mp_batch *b);

/* --- looking -------------------------------------------------------------- */

/* Messages in it now, exactly.  MP_EPOISONED. */
int64_t mp_queue_count(struct mp_arena *a, struct mp_queue *q);
/* Would get return at once, with a message or ShutDown?  1 or 0. */
int mp_queue_is_ready(struct mp_arena *a, struct mp_queue *q);

/* The bell (os/bell.h) rings whenever a message is put or the queue is shut
** down.  Look at the queue after the call.  0, -EBUSY: no place in the list,
** look at intervals instead. */
int mp_queue_watch(struct mp_arena *a, struct mp_queue *q, uint32_t bell);
void mp_queue_unwatch(struct mp_arena *a, struct mp_queue *q, uint32_t bell);

/* --- ending --------------------------------------------------------------- */

int mp_queue_shutdown(struct mp_arena *a, struct mp_queue *q, int at_once);

/* One message that was taken is done with.  MP_EEMPTY: more often than
** messages were put. */
int mp_queue_task_done(struct mp_arena *a, struct mp_queue *q);

/* Waits until nothing is undone.  0; -ETIMEDOUT; -EINTR; MP_ELOST: all that is
** undone was taken by processes that are dead. */
int mp_queue_join(struct mp_arena *a, struct mp_queue *q, int64_t deadline);

#endif
