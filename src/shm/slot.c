/*
** slot.c: one entry for each process of the family
** MIT licence, see LICENSE
**
** Free slots wait in a queue, first in first out, and a few dozen are always in
** it, so that a slot's generation comes round as late as possible.
*/

#include "shm/slot.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "base/code.h"
#include "os/clock.h"
#include "os/futex.h"
#include "shm/inner.h"

enum { ROTATE = 64, STEP = 64, GENERATIONS = 0xffff };

/* --- the queue of free slots; inside the guard --- */

void mp_slot_put_back(struct mp_arena *a, struct mp_slot *s) {
  struct mp_head *h = mp_head(a);
  struct mp_guard *g = &h->guard;
  uint32_t number = (uint32_t)(s - mp_slot_at(a, 0)) + 1;
  mp_set32(a, g, &s->state, MP_FREE);
  mp_set32(a, g, &s->next, 0);
  if (h->slot_last != 0)
    mp_set32(a, g, &mp_slot_at(a, h->slot_last - 1)->next, number);
  else
    mp_set32(a, g, &h->slot_first, number);
  mp_set32(a, g, &h->slot_last, number);
  mp_set32(a, g, &h->slot_free, h->slot_free + 1);
}

static struct mp_slot *from_queue(struct mp_arena *a) {
  struct mp_head *h = mp_head(a);
  struct mp_guard *g = &h->guard;
  if (h->slot_first == 0)
    return NULL;
  struct mp_slot *s = mp_slot_at(a, h->slot_first - 1);
  mp_set32(a, g, &h->slot_first, s->next);
  if (s->next == 0)
    mp_set32(a, g, &h->slot_last, 0);
  mp_set32(a, g, &h->slot_free, h->slot_free - 1);
  return s;
}

static int ready_slots(struct mp_arena *a) {
  struct mp_head *h = mp_head(a);
  if (h->slot_top < h->slot_ready)
    return 0;
  uint64_t from = h->slots + (uint64_t)h->slot_ready * sizeof(struct mp_slot);
  int rc = mp_space_commit(a, from, STEP * sizeof(struct mp_slot));
  if (rc == 0) {
    mp_set32(a, &h->guard, &h->slot_ready, h->slot_ready + STEP);
    mp_guard_commit(&h->guard);
  }
  return rc;
}

static int from_top(struct mp_arena *a, struct mp_slot **out) {
  struct mp_head *h = mp_head(a);
  if (h->slot_top >= MP_SLOTS)
    return MP_ENOSLOT;
  int rc = ready_slots(a);
  if (rc < 0)
    return rc;
  *out = mp_slot_at(a, h->slot_top);
  mp_set32(a, &h->guard, &h->slot_top, h->slot_top + 1);
  return 0;
}

static int get_free(struct mp_arena *a, struct mp_slot **out) {
  const struct mp_head *h = mp_head(a);
  *out = NULL;
  if (h->slot_free >= ROTATE || h->slot_top >= 4 * ROTATE)
    *out = from_queue(a);
  if (*out != NULL || from_top(a, out) == 0)
    return 0;
  *out = from_queue(a);
  return *out ? 0 : MP_ENOSLOT;
}

/* While the state is FREE nobody looks at the rest: no log.  But for `next`,
** which counts again if we die here: it is not touched. */
static void fill(struct mp_slot *s, mp_proc creator) {
  size_t rest = offsetof(struct mp_slot, ready);
  s->generation = s->generation % GENERATIONS + 1;
  s->pid = 0;
  s->status = MP_STATUS_UNKNOWN;
  s->born_by = 0;
  s->creator = creator;
  memset((char *)s + rest, 0, sizeof *s - rest);
  s->since = mp_now();
}

int mp_slot_take_for(struct mp_arena *a, mp_proc creator, mp_proc *out) {
  struct mp_slot *s;
  int rc = mp_enter(a);
  if (rc < 0)
    return rc;
  rc = get_free(a, &s);
  if (rc == 0) {
    fill(s, creator);
    /* one that made itself has its pid at once: see mp_self_find */
    if (creator == 0)
      s->pid = mp_self_pid();
    mp_set32(a, mp_log(a), &s->state, MP_STARTING);
    *out = mp_proc_of(a, s);
  }
  mp_leave(a);
  return rc;
}

/* --- the parent's side --- */

static int take_or_sweep(struct mp_arena *a, mp_proc *out) {
  mp_proc self;
  int rc = mp_self_proc(a, &self);
  if (rc < 0)
    return rc;
  mp_slot_look(a);
  rc = mp_slot_take_for(a, self, out);
  if (rc == MP_ENOSLOT) {
    mp_slot_sweep_all(a);
    rc = mp_slot_take_for(a, self, out);
  }
  return rc;
}

int mp_slot_take(struct mp_arena *a, int inherit, mp_proc *out) {
  mp_proc p;
  int rc = take_or_sweep(a, &p);
  if (rc < 0)
    return rc;
  struct mp_slot *s = mp_slot_of(a, p);
  if (inherit)
    rc = mp_handle_copy(a, a->self_slot, s);
  if (rc < 0) {
    mp_slot_drop(a, p);
    return rc;
  }
  atomic_signal_fence(memory_order_seq_cst);
  s->since = mp_now();
  s->ready = 1;
  *out = p;
  return 0;
}

void mp_slot_set_pid(struct mp_arena *a, mp_proc p, pid_t pid) {
  if (mp_enter(a) < 0)
    return;
  struct mp_slot *s = mp_slot_of(a, p);
  if (s != NULL && s->state == MP_STARTING && s->pid == 0) {
    mp_set64(a, mp_log(a), &s->born_by, mp_self_born_by());
    mp_set32(a, mp_log(a), (uint32_t *)&s->pid, (uint32_t)pid);
  }
  mp_leave(a);
}

int mp_slot_info(struct mp_arena *a, mp_proc p, struct mp_slot_info *out) {
  int rc = mp_enter(a);
  if (rc < 0)
    return rc;
  const struct mp_slot *s = mp_slot_of(a, p);
  if (s != NULL) {
    out->state = (enum mp_slot_state)s->state;
    out->pid = s->pid;
    out->born_by = s->born_by;
    out->creator = s->creator;
    out->status = s->status;
  }
  mp_leave(a);
  return s ? 0 : MP_ELOST;
}

/* --- the status, from another than the child --- */

static _Atomic uint32_t *status_word(struct mp_slot *s) {
  return (_Atomic uint32_t *)(void *)&s->status;
}

void mp_slot_note_status(struct mp_arena *a, mp_proc p, int32_t status) {
  if (mp_enter(a) < 0)
    return;
  struct mp_slot *s = mp_slot_of(a, p);
  if (s != NULL && s->status == MP_STATUS_UNKNOWN)
    mp_set32(a, mp_log(a), (uint32_t *)&s->status, (uint32_t)status);
  mp_leave(a);
  if (s != NULL)
    mp_futex_wake(status_word(s), INT_MAX);
}

int mp_slot_wait_status(struct mp_arena *a, mp_proc p, int64_t deadline) {
  const uint32_t unknown = (uint32_t)MP_STATUS_UNKNOWN;
  for (;;) {
    struct mp_slot *s = mp_slot_of(a, p);
    if (s == NULL)
      return MP_ELOST;
    if (atomic_load(status_word(s)) != unknown)
      return 0;
    int rc = mp_futex_wait(status_word(s), unknown, deadline);
    if (rc < 0)
      return rc;
  }
}
