/*
** sweep.c: what dead processes leave
** MIT licence, see LICENSE
**
** One sweeper at a time (head.sweep), so that the slot cannot get a new owner
** meanwhile.  Each step can be repeated: a sweeper that is killed leaves the
** rest to the next.  The order matters: first the guards that the dead one was
** in, for their undo logs may put a block back into its hand; then hand and
** handles.
*/

#include "base/code.h"
#include "os/clock.h"
#include "shm/inner.h"

#define IDLE_SCAN (40 * MP_MS)

int64_t mp_slot_grace = 10 * MP_SECOND;

/* --- who is dead --- */

static int creator_lives(struct mp_arena *a, const struct mp_slot *s) {
  const struct mp_slot *c = mp_slot_of(a, s->creator);
  if (c != NULL && mp_self_need(a) == 0 && c == a->self_slot)
    return 1;
  if (c == NULL || c->state == MP_ENDED || c->pid == 0)
    return 0;
  return mp_proc_is_alive(c->pid, c->born_by);
}

/* A child may have been born whose parent died before it could tell. */
static int may_come(const struct mp_slot *s) {
  return s->ready && mp_now() - s->since < mp_slot_grace;
}

int mp_slot_lives(struct mp_arena *a, const struct mp_slot *s) {
  if (s->state != MP_STARTING && s->state != MP_LIVE)
    return 0;
  if (s->pid != 0)
    return mp_proc_is_alive(s->pid, s->born_by);
  return creator_lives(a, s) || may_come(s);
}

int mp_proc_runs(struct mp_arena *a, mp_proc p) {
  const struct mp_slot *s = mp_slot_of(a, p);
  if (atomic_load(&a->self_pid) == (int32_t)mp_self_pid() &&
      p == atomic_load_explicit(&a->self_proc, memory_order_relaxed))
    return 1;
  return s != NULL && mp_slot_lives(a, s) && mp_slot_of(a, p) == s;
}

/* --- what it leaves --- */

static void repair_guards(struct mp_arena *a, struct mp_slot *s) {
  if (mp_enter(a) == 0)
    mp_leave(a);
  for (int i = 0; i < MP_HOLDING; i++) {
    mp_off off = atomic_load(&s->holding[i]);
    if (off == 0)
      continue;
    struct mp_guard *g = mp_at(a, off);
    if (mp_arena_contains(a, off, sizeof *g) && mp_guard_enter(a, g) == 0)
      mp_guard_leave(a, g);
    atomic_store(&s->holding[i], 0);
  }
}

/* Frees the block that *word names, and empties the word. */
static void free_at(struct mp_arena *a, uint64_t *word) {
  mp_off off = *word;
  if (off == 0)
    return;
  if (mp_block_kind(a, off) == MP_MESSAGE)
    mp_message_unref(a, off);
  if (mp_enter(a) < 0)
    return;
  mp_set64(a, mp_log(a), word, 0);
  mp_block_free(a, off);
  mp_leave(a);
}

/* Dying objects of a dead process become ours to bury. */
static void inherit_dying(struct mp_arena *a, struct mp_slot *s) {
  struct mp_guard *g = mp_log(a);
  if (s == a->self_slot || mp_enter(a) < 0)
    return;
  while (s->dying != 0) {
    mp_off off = s->dying;
    struct mp_object *o = mp_at(a, off);
    mp_set64(a, g, &s->dying, o->next);
    mp_set64(a, g, &o->next, a->self_slot->dying);
    mp_set64(a, g, &a->self_slot->dying, off);
    mp_guard_commit(g);
  }
  mp_leave(a);
}

void mp_slot_release(struct mp_arena *a, struct mp_slot *s) {
  for (int i = 0; i < MP_HAND; i++)
    free_at(a, &s->hand[i]);
  inherit_dying(a, s);
  mp_handle_release_all(a, s);
  for (int i = 0; i < MP_SEGS; i++)
    free_at(a, &s->seg[i]);
  if (mp_trim_wanted(a))
    mp_trim(a, 0);
}

/* The process is dead (or never was): the slot waits for its creator to read
** the status, or goes. */
static void finish(struct mp_arena *a, struct mp_slot *s, int keep) {
  if (s->state != MP_ENDED) {
    repair_guards(a, s);
    mp_slot_release(a, s);
  }
  if (mp_enter(a) < 0)
    return;
  if (keep)
    mp_set32(a, mp_log(a), &s->state, MP_ENDED);
  else
    mp_slot_put_back(a, s);
  mp_leave(a);
}

/* --- the sweeper's lock: no log, so a dead sweeper needs no repair --- */

static int sweep_begin(struct mp_arena *a) {
  int rc = mp_self_need(a);
  return rc < 0 ? rc : mp_guard_enter(a, &mp_head(a)->sweep);
}

/* What was let go last is destroyed without the lock. */
static void sweep_end(struct mp_arena *a) {
  mp_guard_leave(a, &mp_head(a)->sweep);
  mp_object_bury(a);
}

/* 1: swept now or before.  Inside the sweeper's lock. */
static int sweep_one(struct mp_arena *a, struct mp_slot *s) {
  if (s->state == MP_FREE || mp_slot_lives(a, s))
    return 0;
  int keep = creator_lives(a, s);
  if (s->state == MP_ENDED && keep)
    return 0;
  finish(a, s, keep);
  return 1;
}

int mp_slot_sweep(struct mp_arena *a, mp_proc p) {
  if (mp_proc_runs(a, p))
    return 0;
  int rc = sweep_begin(a);
  if (rc < 0)
    return rc;
  struct mp_slot *s = mp_slot_of(a, p);
  int swept = s == NULL || s->state == MP_ENDED;
  if (!swept)
    swept = sweep_one(a, s);
  sweep_end(a);
  return swept;
}

/* Is there anything to sweep?  A look without the lock. */
static int is_left(struct mp_arena *a, const struct mp_slot *s) {
  if (s->state == MP_FREE || mp_slot_lives(a, s))
    return 0;
  return s->state != MP_ENDED || !creator_lives(a, s);
}

int mp_slot_sweep_all(struct mp_arena *a) {
  int n = 0, rc = mp_self_need(a);
  for (uint32_t i = 0; rc == 0 && i < mp_head(a)->slot_top; i++) {
    struct mp_slot *s = mp_slot_at(a, i);
    if (!is_left(a, s))
      continue;
    rc = sweep_begin(a);
    if (rc < 0)
      break;
    n += sweep_one(a, s);
    sweep_end(a);
  }
  return rc < 0 ? rc : n;
}

int mp_slot_sweep_idle(struct mp_arena *a) {
  _Atomic int64_t *scanned = &mp_head(a)->scanned;
  int64_t now = mp_now(), last = atomic_load(scanned);
  if (now - last < IDLE_SCAN ||
      !atomic_compare_exchange_strong(scanned, &last, now))
    return 0;
  return mp_slot_sweep_all(a);
}

/* Certainly dead, or ended with a creator that is; a cheap look. */
static int is_worth_a_sweep(const struct mp_arena *a, const struct mp_slot *s) {
  if (s->state == MP_ENDED)
    s = mp_slot_of(a, s->creator);
  return s == NULL || (s->state != MP_FREE && s->pid != 0 &&
                       !mp_proc_may_live(s->pid));
}

/* Each new process looks at one old one: the dead never pile up. */
void mp_slot_look(struct mp_arena *a) {
  struct mp_head *h = mp_head(a);
  uint32_t i = atomic_fetch_add_explicit(&h->cursor, 1, memory_order_relaxed);
  if (h->slot_top == 0)
    return;
  struct mp_slot *s = mp_slot_at(a, i % h->slot_top);
  if (!is_worth_a_sweep(a, s) || sweep_begin(a) < 0)
    return;
  sweep_one(a, s);
  sweep_end(a);
}

/* A process that still runs keeps its slot; nobody waits for its status. */
static void orphan(struct mp_arena *a, struct mp_slot *s) {
  if (mp_enter(a) < 0)
    return;
  mp_set32(a, mp_log(a), &s->creator, 0);
  mp_leave(a);
}

void mp_slot_drop(struct mp_arena *a, mp_proc p) {
  if (sweep_begin(a) < 0)
    return;
  struct mp_slot *s = mp_slot_of(a, p);
  int runs = s != NULL && s->pid != 0 && mp_slot_lives(a, s);
  if (runs)
    orphan(a, s);
  else if (s != NULL)
    finish(a, s, 0);
  sweep_end(a);
}
