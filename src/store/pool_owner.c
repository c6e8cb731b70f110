/*
** pool_owner.c: the owner's side: batches in, results out, the dead
** MIT licence, see LICENSE
**
** One process alone, the one that made the pool, calls these.
*/

#include "store/pool.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/code.h"
#include "os/futex.h"
#include "store/pool_in.h"

/* --- work ------------------------------------------------------------------ */

enum { SPARES_MAX = 64 };

/* all but the link of a spare one */
static void clear_batch(struct mp_pool_batch *b, uint32_t flags) {
  uint64_t next = b->whole.next;
  memset(b, 0, sizeof *b);
  b->whole.next = next;
  b->flags = flags;
}

int mp_pool_batch_new(struct mp_arena *a, struct mp_pool *p, size_t size,
                      const mp_off *refs, uint32_t nrefs, mp_off *out) {
  int small = nrefs == 0 && size <= MP_POOL_SMALL;
  if (small && p->spares != 0) {
    clear_batch(mp_pool_batch(a, p->spares), MP_POOL_PLAIN);
    *out = p->spares;
    return 0;
  }
  int rc = mp_message_alloc(a, small ? MP_POOL_SMALL : size, refs, nrefs, out);
  if (rc < 0)
    return rc;
  mp_pool_batch(a, *out)->whole.next = 0;
  clear_batch(mp_pool_batch(a, *out), small ? MP_POOL_PLAIN : 0);
  return 0;
}

/* inside the guard: it leaves the hand, or the spares */
static void take_batch_in(struct mp_arena *a, struct mp_pool *p,
                          mp_off batch) {
  struct mp_guard *g = &p->guard;
  if (batch != p->spares) {
    mp_hand_clear(a, g, batch);
    return;
  }
  uint64_t *next = &mp_pool_batch(a, batch)->whole.next;
  mp_set64(a, g, &p->spares, *next);
  mp_set64(a, g, next, 0);
  p->nspares--;
}

/* what a batch is while it is in nobody's reach; its slice's place */
static mp_off ready_batch(struct mp_arena *a, mp_off batch) {
  struct mp_pool_batch *b = mp_pool_batch(a, batch);
  b->whole.batch = batch;
  b->whole.to = b->count;
  b->holders = 1;
  return mp_off_of(a, &b->whole);
}

int mp_pool_stage(struct mp_arena *a, struct mp_pool *p, mp_off batch) {
  struct mp_guard *g = &p->guard;
  mp_off place = ready_batch(a, batch);
  int rc = mp_guard_enter(a, g);
  if (rc < 0)
    return rc;
  take_batch_in(a, p, batch);
  if (p->staged == 0)
    mp_set64(a, g, &p->staged, place);
  else
    mp_set64(a, g, &mp_pool_slice(a, p->staged_last)->next, place);
  mp_set64(a, g, &p->staged_last, place);
  mp_set64(a, g, &p->staged_items,
           p->staged_items + mp_pool_batch(a, batch)->count);
  mp_guard_leave(a, g);
  return 0;
}

/* a chain of slices with so many items goes last in line */
static void append_in(struct mp_arena *a, struct mp_pool *p, mp_off first,
                      mp_off last, uint64_t items) {
  struct mp_guard *g = &p->guard;
  if (p->first == 0)
    mp_set64(a, g, &p->first, first);
  else
    mp_set64(a, g, &mp_pool_slice(a, p->last)->next, first);
  mp_set64(a, g, &p->last, last);
  mp_pool_set(a, p, &p->pending, p->pending + items);
}

static void leave_and_wake(struct mp_arena *a, struct mp_pool *p) {
  uint32_t wanted = mp_pool_wanted_in(p);
  mp_guard_leave(a, &p->guard);
  mp_pool_wake(p, wanted);
}

int mp_pool_submit(struct mp_arena *a, struct mp_pool *p) {
  struct mp_guard *g = &p->guard;
  int rc = p->staged == 0 ? 0 : mp_guard_enter(a, g);
  if (rc < 0 || p->staged == 0)
    return rc;
  append_in(a, p, p->staged, p->staged_last, p->staged_items);
  mp_set64(a, g, &p->staged, 0);
  mp_set64(a, g, &p->staged_items, 0);
  leave_and_wake(a, p);
  return 0;
}

int mp_pool_submit_one(struct mp_arena *a, struct mp_pool *p, mp_off batch) {
  mp_off place = ready_batch(a, batch);
  int rc = mp_guard_enter(a, &p->guard);
  if (rc < 0)
    return rc;
  take_batch_in(a, p, batch);
  append_in(a, p, place, place, mp_pool_batch(a, batch)->count);
  leave_and_wake(a, p);
  return 0;
}

void mp_pool_nudge(struct mp_pool *p) {
  if (atomic_load(&p->pending) == 0 || atomic_load(&p->sleepers) == 0)
    return;
  atomic_fetch_add(&p->event, 1);
  mp_pool_wake(p, 1);
}

/* inside the guard: takes the slice at *link out; commits and frees it */
static int unlink_slice(struct mp_arena *a, struct mp_pool *p, uint64_t *link,
                        struct mp_pool_litter *l) {
  struct mp_pool_slice *s = mp_pool_slice(a, *link);
  mp_off place = *link;
  if (s->self != 0) {
    int rc = mp_hand_set(a, &p->guard, place);
    if (rc < 0)
      return rc;
    l->slice = place;
  }
  mp_set64(a, &p->guard, link, s->next);
  return mp_pool_batch_drop_in(a, p, s->batch, l);
}

void mp_pool_unstage(struct mp_arena *a, struct mp_pool *p) {
  while (p->staged != 0) {
    struct mp_pool_litter l = {0, 0, 0};
    if (mp_guard_enter(a, &p->guard) < 0)
      return;
    unlink_slice(a, p, &p->staged, &l);
    if (p->staged == 0)
      mp_set64(a, &p->guard, &p->staged_items, 0);
    mp_guard_leave(a, &p->guard);
    mp_pool_litter_free(a, &l);
  }
}

/* inside the guard: the link that leads to the job's first slice in line, or
** NULL; *before is the place of the slice whose link it is, 0: the head */
static uint64_t *find_job(struct mp_arena *a, struct mp_pool *p, uint64_t job,
                          mp_off *before) {
  uint64_t *link = &p->first;
  *before = 0;
  while (*link != 0) {
    struct mp_pool_slice *s = mp_pool_slice(a, *link);
    if (mp_pool_batch(a, s->batch)->job == job)
      return link;
    *before = *link;
    link = &s->next;
  }
  return NULL;
}

/* one slice less in line; 1, or 0 when there is none of that job */
static int withdraw_one(struct mp_arena *a, struct mp_pool *p, uint64_t job,
                        uint64_t *items) {
  struct mp_pool_litter l = {0, 0, 0};
  mp_off before;
  int rc = mp_guard_enter(a, &p->guard);
  if (rc < 0)
    return rc;
  uint64_t *link = find_job(a, p, job, &before);
  if (link != NULL) {
    struct mp_pool_slice *s = mp_pool_slice(a, *link);
    uint32_t n = s->to - s->from;
    if (*link == p->last)
      mp_set64(a, &p->guard, &p->last, before);
    mp_pool_set(a, p, &p->pending, p->pending - n);
    rc = unlink_slice(a, p, link, &l);
    if (rc < 0)
      mp_guard_undo(a, &p->guard);
    else
      *items += n;
  }
  mp_guard_leave(a, &p->guard);
  if (rc < 0)
    return rc;
  mp_pool_litter_free(a, &l);
  return link != NULL;
}

int mp_pool_withdraw(struct mp_arena *a, struct mp_pool *p, uint64_t job,
                     uint64_t *out) {
  uint64_t items = 0;
  int rc;
  do
    rc = withdraw_one(a, p, job, &items);
  while (rc > 0);
  *out = items;
  return rc;
}

/* --- functions -------------------------------------------------------------- */

int mp_pool_function_add(struct mp_arena *a, struct mp_pool *p, size_t size,
                         const mp_off *refs, uint32_t nrefs, uint64_t id,
                         mp_off *out) {
  mp_off message;
  int rc = mp_message_alloc(a, sizeof(struct mp_pool_function) + size, refs,
                            nrefs, &message);
  if (rc < 0)
    return rc;
  struct mp_pool_function *f = mp_message_data(a, message);
  f->id = id;
  f->size = size;
  f->next = p->functions; /* the owner's alone */
  rc = mp_guard_enter(a, &p->guard);
  if (rc < 0) {
    mp_message_free(a, message);
    return rc;
  }
  mp_hand_clear(a, &p->guard, message);
  mp_set64(a, &p->guard, &p->functions, message);
  mp_guard_leave(a, &p->guard);
  *out = message;
  return 0;
}

void *mp_pool_function_bytes(const struct mp_arena *a, mp_off function) {
  return (struct mp_pool_function *)mp_message_data(a, function) + 1;
}

int mp_pool_function_drop(struct mp_arena *a, struct mp_pool *p,
                          mp_off function) {
  int rc = mp_guard_enter(a, &p->guard);
  if (rc < 0)
    return rc;
  uint64_t *link = &p->functions;
  while (*link != 0 && *link != function)
    link = mp_message_data(a, *link); /* begins with next */
  if (*link == 0)
    rc = MP_ECORRUPT;
  else
    rc = mp_hand_set(a, &p->guard, function);
  if (rc == 0)
    mp_set64(a, &p->guard, link, *(uint64_t *)mp_message_data(a, function));
  mp_guard_leave(a, &p->guard);
  if (rc == 0)
    mp_message_free(a, function);
  return rc;
}

/* --- results ---------------------------------------------------------------- */

int mp_pool_collect(struct mp_arena *a, struct mp_pool *p, mp_off *out) {
  if (p->taken == 0 && mp_pool_has_results(p)) {
    int rc = mp_guard_enter(a, &p->guard);
    if (rc < 0)
      return rc;
    mp_set64(a, &p->guard, &p->taken, p->results);
    mp_pool_set(a, p, &p->results, 0);
    mp_guard_leave(a, &p->guard);
  }
  *out = p->taken;
  return 0;
}

/* inside the guard: the first block that the owner has is spare now */
static void spare_in(struct mp_arena *a, struct mp_pool *p) {
  struct mp_guard *g = &p->guard;
  mp_off block = p->taken;
  struct mp_pool_block *b = mp_pool_block(a, block);
  mp_set64(a, g, &p->taken, b->next);
  mp_set64(a, g, &b->next, p->spares);
  mp_set64(a, g, &p->spares, block);
  p->nspares++;
}

int mp_pool_consume(struct mp_arena *a, struct mp_pool *p, mp_off *next) {
  mp_off block = p->taken;
  int rc = mp_guard_enter(a, &p->guard);
  if (rc < 0)
    return rc;
  int spare = mp_pool_block(a, block)->plain && p->nspares < SPARES_MAX;
  if (spare) {
    spare_in(a, p);
  } else {
    rc = mp_hand_set(a, &p->guard, block);
    if (rc == 0)
      mp_set64(a, &p->guard, &p->taken, mp_pool_block(a, block)->next);
  }
  mp_guard_leave(a, &p->guard);
  if (rc < 0)
    return rc;
  if (!spare)
    mp_message_free(a, block);
  *next = p->taken;
  return 0;
}

/* --- deaths ----------------------------------------------------------------- */

static void describe(struct mp_arena *a, struct mp_pool_seat *s,
                     struct mp_pool_wreck *out) {
  memset(out, 0, sizeof *out);
  if (s->batch == 0 || s->from == s->to)
    return;
  struct mp_pool_batch *b = mp_pool_batch(a, s->batch);
  out->job = b->job;
  out->first = b->first + s->from;
  out->left = s->to - s->from;
  out->ran = atomic_load(&s->running) == s->from + 1 &&
             !atomic_load(&s->held);
}

int mp_pool_recover(struct mp_arena *a, struct mp_pool *p, uint32_t seat,
                    struct mp_pool_wreck *out) {
  struct mp_pool_litter l = {0, 0, 0};
  struct mp_pool_seat *s = &p->seats[seat];
  int rc = mp_guard_enter(a, &p->guard);
  if (rc < 0)
    return rc;
  mp_pool_idle_in(a, p, s, MP_POOL_WORKING);
  rc = mp_pool_hand_in_in(a, p, s, &l);
  if (rc < 0) {
    mp_guard_undo(a, &p->guard);
    mp_guard_leave(a, &p->guard);
    return rc;
  }
  mp_guard_leave(a, &p->guard);
  mp_pool_litter_free(a, &l);
  describe(a, s, out);
  return 0;
}

/* what the next worker of the seat finds */
static void reset(struct mp_pool_seat *s) {
  atomic_store(&s->ready, 0);
  atomic_store(&s->running, 0);
  atomic_store(&s->held, 0);
  atomic_store(&s->condemned, 0);
  atomic_store(&s->leaving, 0);
  atomic_store(&s->since, 0);
  atomic_store(&s->busy_since, 0);
  atomic_store(&s->tasks, 0);
  atomic_store(&s->busy, 0);
  atomic_store(&s->memory, 0);
}

int mp_pool_requeue(struct mp_arena *a, struct mp_pool *p, uint32_t seat,
                    uint32_t skip) {
  struct mp_pool_litter l = {0, 0, 0};
  struct mp_pool_seat *s = &p->seats[seat];
  mp_off slice = 0;
  int rc = 0;
  if (s->batch != 0 && s->from + skip < s->to)
    rc = mp_alloc(a, sizeof(struct mp_pool_slice), &slice);
  if (rc < 0 || (rc = mp_guard_enter(a, &p->guard)) < 0)
    return rc;
  if (s->batch != 0)
    mp_set32(a, &p->guard, &s->from, s->from + skip);
  rc = mp_pool_give_up_in(a, p, s, slice, &l);
  if (rc < 0)
    mp_guard_undo(a, &p->guard);
  leave_and_wake(a, p);
  if (rc < 0)
    return rc;
  mp_pool_litter_free(a, &l);
  reset(s);
  return 0;
}

/* inside the guard */
static int running_in(struct mp_arena *a, struct mp_pool_seat *s,
                      struct mp_pool_running *out) {
  struct mp_pool_batch *b = mp_pool_batch(a, s->batch);
  uint32_t running = atomic_load(&s->running), done = s->from;
  if (s->block != 0)
    done += atomic_load(&mp_pool_block(a, s->block)->count);
  out->job = b->job;
  out->item = b->first + done;
  out->since = atomic_load(&s->since);
  out->timeout = b->timeout;
  return running == done + 1 && !atomic_load(&s->held) ? 1 : -EAGAIN;
}

int mp_pool_running(struct mp_arena *a, struct mp_pool *p, uint32_t seat,
                    struct mp_pool_running *out) {
  struct mp_pool_seat *s = &p->seats[seat];
  int rc = mp_guard_enter(a, &p->guard);
  if (rc < 0)
    return rc;
  if (s->batch != 0)
    rc = running_in(a, s, out);
  mp_guard_leave(a, &p->guard);
  return rc;
}

void mp_pool_condemn(struct mp_pool *p, uint32_t seat, int yes) {
  struct mp_pool_seat *s = &p->seats[seat];
  atomic_store(&s->condemned, yes ? 1u : 0u);
  if (!yes)
    mp_futex_wake(&s->condemned, INT_MAX);
}
