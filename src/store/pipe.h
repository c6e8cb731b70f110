/*
** pipe.h: pipes: two ends, and a channel for each direction
** MIT licence, see LICENSE
**
**      end a                                   end b
**     +-----------+      +-----------+       +-----------+
**     | out ------|----> | channel   | <-----|-- in      |
**     | in -------|--+   +-----------+   +---|-- out     |
**     +-----------+  |   +-----------+   |   +-----------+
**                    +-> | channel   | <-+         not duplex: a.out, b.in = 0
**                        +-----------+
**
** An end is a shared object, so its count says how many handles in all
** processes, and messages under way, still refer to it; when it falls to 0,
** however the processes went, the end's destroy function tells both channels,
** and the other side is at its end of file.  A channel lives as long as one of
** the two ends does.
**
** Messages stay whole with any number of senders and receivers on one end.
** A sender waits when about MP_PIPE_ROOM bytes are under way (or so many short
** messages that they may be as much): a pipe is no store.
** Blocking and codes as in queue.h.
*/

#ifndef MP_STORE_PIPE_H
#define MP_STORE_PIPE_H

#include <stdint.h>

#include "shm/arena.h"
#include "shm/guard.h"
#include "shm/object.h"
#include "sync/gate.h"
#include "store/ring.h"
#include "store/watch.h"

#define MP_PIPE_ROOM (UINT64_C(64) << 20)

/* What both sides write at every message lies together; what a receiver spins
** on, and what is only read, are kept off those cache lines. */
struct mp_channel {
  struct mp_object head;
  struct mp_ring ring;
  struct mp_guard guard;
  uint64_t bytes; /* under way in blocks */
  uint32_t full;  /* a sender found no room: the next receiver tells */
  uint32_t pad0[13];
  struct mp_gate items;
  uint32_t pad1[14];
  uint32_t no_sender; /* the sending end is closed everywhere */
  uint32_t no_receiver;
  struct mp_gate room;
  struct mp_watch watch;
};

struct mp_end {
  struct mp_object head;
  mp_off in;  /* the channel that this end receives from; 0: none */
  mp_off out; /* ... that it sends to */
};

/* Registers the destroy functions.  Idempotent; see mp_queue_setup. */
void mp_pipe_setup(void);

/* Connects two new ends (objects of size sizeof(struct mp_end)) that nobody
** else knows yet.  Not duplex: x receives, y sends.  0, MP_ENOARENA... */
int mp_pipe_connect(struct mp_arena *a, mp_off x, mp_off y, int duplex);

/* The caller has seen that end->out is not 0.  0; MP_EEOF: no receiver is
** left; MP_ENOARENA; -ETIMEDOUT; -EINTR. */
int mp_pipe_send(struct mp_arena *a, struct mp_end *e,
                 const struct mp_parcel *p, int64_t deadline);

/* The caller has seen that end->in is not 0.  0; MP_EEOF; -ETIMEDOUT; -EINTR;
** -EBUSY.  mp_item_free when it was read. */
int mp_pipe_recv(struct mp_arena *a, struct mp_end *e, void *small,
                 struct mp_item *item, int64_t deadline);

/* Would recv return at once (a message, or end of file)?  Waits until then.
** 1, 0 at the deadline, -EINTR. */
int mp_pipe_poll(struct mp_arena *a, struct mp_end *e, int64_t deadline);

/* As mp_queue_watch: rings when a message comes, and at end of file. */
int mp_pipe_watch(struct mp_arena *a, struct mp_end *e, uint32_t bell);
void mp_pipe_unwatch(struct mp_arena *a, struct mp_end *e, uint32_t bell);

#endif
