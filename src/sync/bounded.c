/*
** bounded.c: BoundedSemaphore: units that belong to processes
** MIT licence, see LICENSE
*/

#include "sync/bounded.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/code.h"
#include "os/clock.h"
#include "shm/slot.h"
#include "sync/keep.h"

/* --- birth and death ------------------------------------------------------ */

static void bounded_destroy(struct mp_arena *a, mp_off off) {
  struct mp_bounded *b = mp_at(a, off);
  mp_keep_drop(a, &b->guard, &b->more);
}

void mp_bounded_setup(void) {
  mp_object_set_destroy(MP_T_BOUNDED, bounded_destroy);
}

int mp_bounded_init(struct mp_bounded *b, uint32_t value) {
  b->value = b->bound = value;
  b->room = MP_HOLDERS;
  return mp_guard_init(&b->guard);
}

/* --- the table; inside the guard ------------------------------------------ */

static struct mp_holder *table_of(struct mp_arena *a, struct mp_bounded *b) {
  return b->more != 0 ? mp_at(a, b->more) : b->first;
}

static struct mp_holder *find(struct mp_arena *a, struct mp_bounded *b,
                              uint32_t proc) {
  struct mp_holder *t = table_of(a, b);
  for (uint64_t i = 0; i < b->room; i++) {
    if (t[i].proc == proc && t[i].units > 0)
      return &t[i];
  }
  return NULL;
}

static struct mp_holder *find_free(struct mp_arena *a, struct mp_bounded *b) {
  struct mp_holder *t = table_of(a, b);
  for (uint64_t i = 0; i < b->room; i++) {
    if (t[i].units == 0)
      return &t[i];
  }
  return NULL;
}

static struct mp_holder *find_any(struct mp_arena *a, struct mp_bounded *b) {
  struct mp_holder *t = table_of(a, b);
  for (uint64_t i = 0; i < b->room; i++) {
    if (t[i].units > 0)
      return &t[i];
  }
  return NULL;
}

static void move(struct mp_arena *a, struct mp_bounded *b, struct mp_holder *h,
                 uint32_t units, uint32_t value) {
  mp_set32(a, &b->guard, &h->units, units);
  mp_set32(a, &b->guard, &b->value, value);
}

/* --- growth --------------------------------------------------------------- */

/* The new table is filled before it is named, so only that needs the log. */
static int swap_table(struct mp_arena *a, struct mp_bounded *b, mp_off fresh,
                      uint64_t room, mp_off *unused) {
  int rc = mp_guard_enter(a, &b->guard);
  if (rc < 0)
    return rc;
  mp_off old = b->more;
  *unused = fresh;
  if (b->room < room && (old == 0 || mp_hand_set(a, &b->guard, old) == 0)) {
    memcpy(mp_at(a, fresh), table_of(a, b), b->room * sizeof(struct mp_holder));
    mp_hand_clear(a, &b->guard, fresh);
    mp_set64(a, &b->guard, &b->more, fresh);
    mp_set64(a, &b->guard, &b->room, room);
    *unused = old;
  }
  mp_guard_leave(a, &b->guard);
  return 0;
}

static int grow(struct mp_arena *a, struct mp_bounded *b, uint64_t room) {
  mp_off fresh, unused = 0;
  size_t size = room * sizeof(struct mp_holder);
  int rc = mp_alloc(a, size, &fresh);
  if (rc < 0)
    return rc;
  memset(mp_at(a, fresh), 0, size);
  rc = swap_table(a, b, fresh, room, &unused);
  if (rc == 0 && unused != 0)
    mp_free(a, unused);
  return rc;
}

/* --- the dead ------------------------------------------------------------- */

static void give_back(struct mp_arena *a, struct mp_bounded *b, uint32_t proc) {
  if (mp_guard_enter(a, &b->guard) < 0)
    return;
  struct mp_holder *h = find(a, b, proc);
  if (h != NULL)
    move(a, b, h, 0, b->value + h->units);
  mp_guard_leave(a, &b->guard);
  mp_gate_notify(&b->gate, INT_MAX);
}

/* Holders from index `from` on, as many as fit; where to go on, 0 at the end.
** Whether they live is asked outside the guard, for it takes long. */
static uint64_t list_holders(struct mp_arena *a, struct mp_bounded *b,
                             uint64_t from, uint32_t *list, int *n, int max) {
  *n = 0;
  if (mp_guard_enter(a, &b->guard) < 0)
    return 0;
  struct mp_holder *t = table_of(a, b);
  for (; from < b->room && *n < max; from++) {
    if (t[from].units > 0)
      list[(*n)++] = t[from].proc;
  }
  uint64_t next = from < b->room ? from : 0;
  mp_guard_leave(a, &b->guard);
  return next;
}

static void give_back_the_deads(struct mp_arena *a, struct mp_bounded *b) {
  uint32_t list[64];
  uint64_t from = 0;
  int n;
  do {
    from = list_holders(a, b, from, list, &n, 64);
    for (int i = 0; i < n; i++) {
      if (!mp_proc_runs(a, list[i]))
        give_back(a, b, list[i]);
    }
  } while (from != 0);
}

/* --- acquire and release -------------------------------------------------- */

/* 0, -EAGAIN: no unit, -ENOSPC: no room to note the holder. */
static int try_take(struct mp_arena *a, struct mp_bounded *b, uint32_t me,
                    uint64_t *room) {
  int rc = mp_guard_enter(a, &b->guard);
  if (rc < 0)
    return rc;
  struct mp_holder *h = find(a, b, me);
  if (h == NULL)
    h = find_free(a, b);
  *room = b->room;
  if (b->value == 0)
    rc = -EAGAIN;
  else if (h == NULL)
    rc = -ENOSPC;
  if (rc == 0) {
    mp_set32(a, &b->guard, &h->proc, me);
    move(a, b, h, h->units + 1, b->value - 1);
  }
  mp_guard_leave(a, &b->guard);
  return rc;
}

static int take_or_grow(struct mp_arena *a, struct mp_bounded *b,
                        uint32_t me) {
  uint64_t room = 0;
  int rc;
  while ((rc = try_take(a, b, me, &room)) == -ENOSPC) {
    rc = grow(a, b, room * 2);
    if (rc < 0)
      return rc;
  }
  return rc;
}

/* The first wait is short, for a holder may be dead already. */
static int wait_for_unit(struct mp_arena *a, struct mp_bounded *b,
                         uint32_t seen, int64_t deadline, int first) {
  int64_t end =
    mp_slice_end(mp_now(), first ? 1 * MP_MS : MP_SLICE, deadline);
  int rc = mp_gate_wait(&b->gate, seen, end);
  if (rc == -EINTR)
    return rc;
  if (rc != -ETIMEDOUT && mp_gate_seen(&b->gate) != seen)
    return 0;
  give_back_the_deads(a, b);
  return first ? 0 : -EINTR;
}

int mp_bounded_acquire(struct mp_arena *a, struct mp_bounded *b,
                       int64_t deadline) {
  mp_proc me;
  int rc = mp_self_proc(a, &me);
  for (int n = 0; rc == 0; n++) {
    uint32_t seen = mp_gate_seen(&b->gate);
    rc = take_or_grow(a, b, me);
    if (rc != -EAGAIN)
      return rc;
    if (mp_now() >= deadline) {
      give_back_the_deads(a, b);
      rc = take_or_grow(a, b, me);
      return rc == -EAGAIN ? -ETIMEDOUT : rc;
    }
    rc = wait_for_unit(a, b, seen, deadline, n == 0);
  }
  return rc;
}

int mp_bounded_release(struct mp_arena *a, struct mp_bounded *b) {
  mp_proc me;
  int rc = mp_self_proc(a, &me);
  if (rc == 0)
    rc = mp_guard_enter(a, &b->guard);
  if (rc < 0)
    return rc;
  struct mp_holder *h = find(a, b, me);
  if (h == NULL)
    h = find_any(a, b);
  if (h == NULL)
    rc = -EOVERFLOW;
  else
    move(a, b, h, h->units - 1, b->value + 1);
  mp_guard_leave(a, &b->guard);
  if (rc == 0)
    mp_gate_notify(&b->gate, 1);
  return rc;
}

int64_t mp_bounded_value(struct mp_arena *a, struct mp_bounded *b) {
  give_back_the_deads(a, b);
  int rc = mp_guard_enter(a, &b->guard);
  if (rc < 0)
    return rc;
  int64_t value = b->value;
  mp_guard_leave(a, &b->guard);
  return value;
}
