/*
** self.c: this process in the arena
** MIT licence, see LICENSE
**
** self_pid is written last and read first: while it is the pid of the process,
** the rest of the view is right.  A child of fork finds its parent's pid there;
** if nobody gave it a slot (mp_slot_enter), it takes one for itself.
*/

#include <errno.h>
#include <pthread.h>

#include "base/code.h"
#include "os/clock.h"
#include "shm/inner.h"

static pthread_mutex_t finding = PTHREAD_MUTEX_INITIALIZER;

static void forget_lock(void) {
  pthread_mutex_init(&finding, NULL); /* a thread may have held it */
}

static void arm_once(void) {
  pthread_atfork(NULL, NULL, forget_lock);
}

static void lock_finding(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, arm_once);
  pthread_mutex_lock(&finding);
}

/* Entries that its parent has filled. */
static uint32_t given(const struct mp_slot *s) {
  uint32_t mask = 0;
  for (int i = 0; i < MP_HAND; i++)
    mask |= (uint32_t)(s->hand[i] != 0) << i;
  return mask;
}

/* The slot is ours from now on. */
static void become(struct mp_arena *a, struct mp_slot *s) {
  s->born_by = mp_self_born_by();
  atomic_signal_fence(memory_order_seq_cst); /* a pid has its time */
  s->pid = mp_self_pid();
  a->self_slot = s;
  atomic_store(&a->hand_busy, given(s));
  atomic_store(&a->burying, 0);
  a->pinned = 0;
  atomic_store(&a->high, s->handle_top);
  atomic_store(&a->self_proc, mp_proc_of(a, s));
  atomic_store_explicit(&a->self_pid, mp_self_pid(), memory_order_release);
}

/*
** A process that was forked behind our back has its parent's handles in its
** Lua values, but no count for them.  It counts them anew as the parent holds
** them now, and keeps these until its end: numbers may have changed their
** meaning since, so none of them is let go by number.
*/
static int adopt(struct mp_arena *a, mp_proc parent, uint32_t high) {
  const struct mp_slot *from = mp_slot_of(a, parent);
  struct mp_slot *s = a->self_slot;
  int rc = from ? mp_handle_copy(a, from, s) : 0;
  if (s->handle_top > high)
    high = s->handle_top;
  if (mp_enter(a) == 0) {
    mp_set32(a, mp_log(a), &s->handle_top, high);
    mp_set32(a, mp_log(a), &s->handle_free, 0);
    mp_leave(a);
  }
  a->pinned = high;
  atomic_store(&a->high, high);
  return rc;
}

/* Nobody reads the status of a process that made itself. */
static int enter_own(struct mp_arena *a) {
  mp_proc p, before = atomic_load(&a->self_proc);
  uint32_t high = atomic_load(&a->high);
  int forked = atomic_load(&a->self_pid) != 0;
  int rc = mp_slot_take_for(a, 0, &p);
  if (rc < 0)
    return rc;
  struct mp_slot *s = mp_slot_of(a, p);
  become(a, s);
  atomic_thread_fence(memory_order_seq_cst);
  s->state = MP_LIVE;
  return forked ? adopt(a, before, high) : 0;
}

int mp_self_find(struct mp_arena *a) {
  int rc = 0;
  lock_finding();
  if (atomic_load(&a->self_pid) != (int32_t)mp_self_pid())
    rc = enter_own(a);
  pthread_mutex_unlock(&finding);
  return rc;
}

int mp_self_proc(struct mp_arena *a, mp_proc *out) {
  int rc = mp_self_need(a);
  if (rc == 0)
    *out = atomic_load_explicit(&a->self_proc, memory_order_relaxed);
  return rc;
}

static int enter(struct mp_arena *a, mp_proc p) {
  if (atomic_load(&a->self_pid) == (int32_t)mp_self_pid())
    return -EALREADY;
  int rc = mp_enter(a);
  if (rc < 0)
    return rc;
  struct mp_slot *s = mp_slot_of(a, p);
  if (s == NULL || s->state != MP_STARTING)
    rc = MP_ELOST;
  else
    become(a, s);
  if (rc == 0)
    mp_set32(a, mp_log(a), &s->state, MP_LIVE);
  mp_leave(a);
  return rc;
}

int mp_slot_enter(struct mp_arena *a, mp_proc p) {
  lock_finding();
  int rc = enter(a, p);
  pthread_mutex_unlock(&finding);
  return rc;
}

/* Nobody is left to ask for the status: the slot can go at once. */
static int is_orphan(const struct mp_arena *a, const struct mp_slot *s) {
  return s->creator == 0 || mp_slot_of(a, s->creator) == NULL;
}

void mp_slot_leave(struct mp_arena *a, int32_t status) {
  if (atomic_load(&a->self_pid) != (int32_t)mp_self_pid())
    return;
  struct mp_slot *s = a->self_slot;
  s->status = status;
  mp_object_bury(a);
  mp_slot_release(a, s);
  mp_object_bury(a);
  if (mp_enter(a) < 0)
    return;
  mp_set32(a, mp_log(a), &s->state, MP_ENDED);
  mp_guard_commit(mp_log(a));
  if (is_orphan(a, s))
    mp_slot_put_back(a, s);
  mp_leave(a);
  atomic_store(&a->self_pid, 0);
  atomic_store(&a->self_proc, 0);
}
