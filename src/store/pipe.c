/*
** pipe.c: pipes: two ends, and a channel for each direction
** MIT licence, see LICENSE
*/

#include "store/pipe.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>

#include "base/code.h"
#include "os/clock.h"
#include "shm/slot.h"

/* --- death ---------------------------------------------------------------- */

static void channel_destroy(struct mp_arena *a, mp_off object) {
  struct mp_channel *c = mp_at(a, object);
  mp_ring_clear(a, &c->guard, &c->ring);
}

static void wake_all(struct mp_arena *a, struct mp_channel *c) {
  mp_gate_notify(&c->items, INT_MAX);
  mp_gate_notify(&c->room, INT_MAX);
  if (mp_watch_any(&c->watch))
    mp_watch_ring(a, &c->guard, &c->watch);
}

/* One store, then the news: killed in between, the sweeper does both. */
static void hang_up(struct mp_arena *a, mp_off channel, int sending) {
  struct mp_channel *c = mp_at(a, channel);
  uint32_t *word = sending ? &c->no_sender : &c->no_receiver;
  *(volatile uint32_t *)word = 1;
  wake_all(a, c);
}

static void end_destroy(struct mp_arena *a, mp_off object) {
  struct mp_end *e = mp_at(a, object);
  if (e->in != 0)
    hang_up(a, e->in, 0);
  if (e->out != 0)
    hang_up(a, e->out, 1);
  mp_object_drop_at(a, &e->in);
  mp_object_drop_at(a, &e->out);
}

void mp_pipe_setup(void) {
  mp_object_set_destroy(MP_T_CHANNEL, channel_destroy);
  mp_object_set_destroy(MP_T_PIPE, end_destroy);
}

/* --- birth ---------------------------------------------------------------- */

/* A channel from one end to the other; this process's handle is only there
** until the ends have it. */
static int join_ends(struct mp_arena *a, mp_off from, mp_off to) {
  struct mp_end *sender = mp_at(a, from), *receiver = mp_at(a, to);
  uint32_t handle;
  mp_off off;
  int rc = mp_object_create(a, MP_T_CHANNEL, sizeof(struct mp_channel), &off,
                            &handle);
  if (rc < 0)
    return rc;
  rc = mp_guard_init(&((struct mp_channel *)mp_at(a, off))->guard);
  if (rc == 0) {
    mp_object_take_at(a, &sender->out, off);
    mp_object_take_at(a, &receiver->in, off);
  }
  mp_object_detach(a, handle);
  return rc;
}

int mp_pipe_connect(struct mp_arena *a, mp_off x, mp_off y, int duplex) {
  mp_pipe_setup();
  int rc = join_ends(a, y, x);
  if (rc == 0 && duplex)
    rc = join_ends(a, x, y);
  return rc;
}

/* --- waiting -------------------------------------------------------------- */

/*
** As mp_gate_wait.  When a whole slice has passed without news, the other end
** may have been killed: its handles are let go by a sweep, which is a look at
** every process of the family, so no process does it more often than once a
** slice.
*/
static int wait_at(struct mp_arena *a, struct mp_gate *g, uint32_t seen,
                   int64_t deadline) {
  static _Atomic int64_t last_sweep;
  int rc = mp_gate_wait(g, seen, deadline);
  if (rc != 0 || mp_gate_seen(g) != seen)
    return rc;
  int64_t now = mp_now(), last = atomic_load(&last_sweep);
  if (now - last >= MP_SLICE &&
      atomic_compare_exchange_strong(&last_sweep, &last, now))
    mp_slot_sweep_idle(a);
  return -EINTR; /* a signal just before the sleep interrupts nothing */
}

/* --- sending -------------------------------------------------------------- */

/* The first message always has. */
static int has_room(const struct mp_channel *c, uint64_t size) {
  uint64_t n = mp_ring_count(&c->ring);
  return n == 0 ||
         (n < MP_PIPE_ROOM / MP_INLINE_MAX && c->bytes + size <= MP_PIPE_ROOM);
}

static int push(struct mp_arena *a, struct mp_channel *c,
                const struct mp_parcel *p, mp_off block) {
  if (c->no_receiver)
    return MP_EEOF;
  if (!has_room(c, block != 0 ? p->size : 0)) {
    *(volatile uint32_t *)&c->full = 1;
    return MP_EFULL;
  }
  int rc = mp_ring_push(a, &c->guard, &c->ring, p, block);
  if (rc == 0 && block != 0)
    mp_set64(a, &c->guard, &c->bytes, c->bytes + p->size);
  return rc;
}

static int try_send(struct mp_arena *a, struct mp_channel *c,
                    const struct mp_parcel *p, mp_off block) {
  int rc = mp_guard_enter(a, &c->guard);
  if (rc < 0)
    return rc;
  rc = push(a, c, p, block);
  mp_guard_leave(a, &c->guard);
  if (rc < 0)
    return rc;
  mp_gate_notify(&c->items, 1);
  if (mp_watch_any(&c->watch))
    mp_watch_ring(a, &c->guard, &c->watch);
  return 0;
}

int mp_pipe_send(struct mp_arena *a, struct mp_end *e,
                 const struct mp_parcel *p, int64_t deadline) {
  struct mp_channel *c = mp_at(a, e->out);
  mp_off block;
  int rc = mp_parcel_ready(a, p, &block);
  if (rc < 0)
    return rc;
  do {
    uint32_t seen = mp_gate_seen(&c->room);
    rc = try_send(a, c, p, block);
    if (rc == 0)
      return 0;
    if (rc == MP_EFULL)
      rc = wait_at(a, &c->room, seen, deadline);
  } while (rc == 0);
  if (block != 0)
    mp_message_free(a, block);
  return rc;
}

/* --- receiving ------------------------------------------------------------ */

static int pop(struct mp_arena *a, struct mp_channel *c, void *small,
               struct mp_item *item, mp_off *garbage) {
  int rc = mp_ring_pop(a, &c->guard, &c->ring, small, item, garbage);
  if (rc == MP_EEMPTY && c->no_sender)
    return MP_EEOF;
  if (rc == 0 && item->block != 0)
    mp_set64(a, &c->guard, &c->bytes, c->bytes - item->size);
  return rc;
}

static int try_recv(struct mp_arena *a, struct mp_channel *c, void *small,
                    struct mp_item *item) {
  mp_off garbage;
  int rc = mp_guard_enter(a, &c->guard);
  if (rc < 0)
    return rc;
  rc = pop(a, c, small, item, &garbage);
  uint32_t full = rc == 0 ? c->full : 0;
  if (full)
    *(volatile uint32_t *)&c->full = 0;
  mp_guard_leave(a, &c->guard);
  if (garbage != 0)
    mp_free(a, garbage);
  if (full)
    mp_gate_notify(&c->room, INT_MAX);
  return rc;
}

/* The first look of one who may wait is a cheap one, every later look is not;
** there is one after each wait, however it ended. */
int mp_pipe_recv(struct mp_arena *a, struct mp_end *e, void *small,
                 struct mp_item *item, int64_t deadline) {
  struct mp_channel *c = mp_at(a, e->in);
  uint32_t seen = mp_gate_seen(&c->items);
  int cheap = deadline != 0 && mp_ring_seems_empty(&c->ring);
  int rc = cheap ? MP_EEMPTY : try_recv(a, c, small, item);
  while (rc == MP_EEMPTY) {
    int waited = wait_at(a, &c->items, seen, deadline);
    seen = mp_gate_seen(&c->items);
    rc = try_recv(a, c, small, item);
    if (rc == MP_EEMPTY && waited < 0)
      rc = waited;
  }
  return rc;
}

static int is_ready(struct mp_arena *a, struct mp_channel *c) {
  if (c->no_sender)
    return 1;
  int rc = mp_guard_enter(a, &c->guard);
  if (rc < 0)
    return rc;
  rc = mp_ring_count(&c->ring) > 0;
  mp_guard_leave(a, &c->guard);
  return rc;
}

int mp_pipe_poll(struct mp_arena *a, struct mp_end *e, int64_t deadline) {
  struct mp_channel *c = mp_at(a, e->in);
  int rc = 0;
  while (rc == 0) {
    uint32_t seen = mp_gate_seen(&c->items);
    rc = is_ready(a, c);
    if (rc != 0)
      return rc;
    rc = wait_at(a, &c->items, seen, deadline);
  }
  return rc == -ETIMEDOUT ? 0 : rc;
}

/* --- bells ---------------------------------------------------------------- */

int mp_pipe_watch(struct mp_arena *a, struct mp_end *e, uint32_t bell) {
  struct mp_channel *c = mp_at(a, e->in);
  return mp_watch_add(a, &c->guard, &c->watch, bell);
}

void mp_pipe_unwatch(struct mp_arena *a, struct mp_end *e, uint32_t bell) {
  struct mp_channel *c = mp_at(a, e->in);
  mp_watch_remove(a, &c->guard, &c->watch, bell);
}
