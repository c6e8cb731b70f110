/*
** locks_model_test.c: locks, semaphores, events and gates in every order
** MIT licence, see LICENSE
**
** Two or three processes, one of which may be killed at any step: at most one
** that lives is inside, who follows a dead holder is told so, all that live
** come to their end, and nobody sleeps its time out unless somebody was killed.
*/

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "os/clock.h"
#include "spec/model/world.h"
#include "sync/event.h"
#include "sync/gate.h"
#include "sync/lock.h"
#include "sync/semaphore.h"

enum { NOBODY = -1, ROUNDS = 2 };

static struct mp_lock lock;
static struct mp_sem sem;
static struct mp_event event;
static struct mp_gate gate;
static _Atomic uint32_t items;
static int inside, told, seen;

static void nobody_overslept(void) {
  world_expect(world_kills() > 0 || world_overslept() == 0,
               "a wake-up is lost");
}

/* --- Lock, RLock ---------------------------------------------------------- */

static void lock_begin(enum mp_object_type type) {
  memset(&lock, 0, sizeof lock);
  lock.head.type = type;
  inside = NOBODY;
  told = 0;
}

static void plain_begin(void) {
  lock_begin(MP_T_LOCK);
}

static void recursive_begin(void) {
  lock_begin(MP_T_RLOCK);
}

static int acquire(int64_t deadline) {
  int rc;
  do
    rc = mp_lock_acquire(NULL, &lock, deadline);
  while (rc == -EINTR);
  return rc;
}

static void be_inside(int me, int rc) {
  int dead = inside != NOBODY && !world_lives(inside);
  world_expect(inside == NOBODY || dead, "two are inside");
  world_expect(!dead || rc == 1, "a dead holder was not reported");
  told += rc == 1;
  inside = me;
  world_step();
  world_expect(inside == me, "somebody came in");
  inside = NOBODY;
}

static void lock_live(int me) {
  for (int i = 0; i < ROUNDS; i++) {
    be_inside(me, acquire(MP_FOREVER));
    world_expect(mp_lock_release(NULL, &lock) == 0, "release");
  }
}

static void recursive_live(int me) {
  int rc = acquire(MP_FOREVER);
  world_expect(acquire(MP_FOREVER) == 0, "the second level");
  be_inside(me, rc);
  world_expect(mp_lock_release(NULL, &lock) == 0, "release");
  world_expect(mp_lock_is_mine(NULL, &lock), "the first level is held");
  world_expect(mp_lock_release(NULL, &lock) == 0, "release");
}

static void impatient_live(int me) {
  int rc = acquire(me == 0 ? MP_FOREVER : mp_now() + MP_MS / 2);
  if (rc >= 0) {
    be_inside(me, rc);
    mp_lock_release(NULL, &lock);
  } else
    world_expect(me != 0 && rc == -ETIMEDOUT, "only the impatient time out");
}

/* Who holds it in the end was killed; who follows one is told, once. */
static void lock_end(void) {
  nobody_overslept();
  world_expect(!mp_lock_is_held(&lock) || world_kills() > 0, "it is left held");
  world_expect(told <= world_kills(), "more were told than died");
}

static void impatient_end(void) {
  world_expect(!mp_lock_is_held(&lock) || world_kills() > 0, "it is left held");
}

/* --- Semaphore ------------------------------------------------------------ */

static void sem_begin(void) {
  memset(&sem, 0, sizeof sem);
  sem.word = 1;
  inside = 0;
}

static void sem_live(int me) {
  (void)me;
  for (int i = 0; i < ROUNDS; i++) {
    while (mp_sem_acquire(&sem, MP_FOREVER) == -EINTR)
      ;
    world_expect(++inside == 1, "two have the one unit");
    world_step();
    inside--;
    mp_sem_release(&sem);
  }
}

static void sem_end(void) {
  nobody_overslept();
  world_expect((sem.word & MP_SEM_MAX) == 1, "the unit is back");
}

/* A killed holder's unit is gone: only who gives may be killed. */
static void give_begin(void) {
  sem_begin();
  sem.word = 0;
}

static void give_live(int me) {
  if (me == 0) {
    mp_sem_release(&sem);
    mp_sem_release(&sem);
    return;
  }
  int rc;
  int64_t deadline = mp_now() + MP_SECOND;
  while ((rc = mp_sem_acquire(&sem, deadline)) == -EINTR)
    ;
  world_expect(rc == 0 || world_kills() > 0, "a unit did not come");
}

/* --- Event ---------------------------------------------------------------- */

static void event_begin(void) {
  memset(&event, 0, sizeof event);
  seen = 0;
}

static void event_live(int me) {
  if (me == 0) {
    mp_event_set(&event);
    mp_event_clear(&event); /* who waited has seen it all the same */
    return;
  }
  uint32_t begun = mp_event_begin(&event);
  int was_set = (begun & 2) != 0;
  int rc;
  int64_t deadline = mp_now() + MP_SECOND;
  while ((rc = mp_event_wait(&event, begun, deadline)) == -EINTR)
    ;
  seen += rc == 0;
  world_expect(!was_set || rc == 0, "it was set already");
}

static void event_end(void) {
  world_expect(mp_event_is_set(&event) == 0 || world_kills() > 0, "cleared");
}

/* without clear: nobody may miss it */
static void once_live(int me) {
  if (me == 0) {
    mp_event_set(&event);
    return;
  }
  while (mp_event_wait(&event, mp_event_begin(&event), MP_FOREVER) == -EINTR)
    ;
  seen++;
}

static void once_end(void) {
  nobody_overslept();
  world_expect(seen == 2, "a waiter has missed it");
}

/* --- gate ----------------------------------------------------------------- */

static void gate_begin(void) {
  memset(&gate, 0, sizeof gate);
  items = 0;
}

static int take(void) {
  world_step();
  if (items == 0)
    return 0;
  items--;
  return 1;
}

/* One puts what the two others take. */
static void gate_live(int me) {
  if (me == 0) {
    for (int i = 0; i < 2; i++) {
      world_step();
      items++;
      mp_gate_notify(&gate, 1);
    }
    return;
  }
  for (;;) {
    uint32_t before = mp_gate_seen(&gate);
    if (take())
      return;
    mp_gate_wait(&gate, before, MP_FOREVER);
  }
}

/* Who takes may be killed with what it took, who puts before it has put: the
** others come to an end all the same. */
static void killed_gate_live(int me) {
  int64_t deadline = mp_now() + MP_SECOND;
  if (me == 0) {
    gate_live(me);
    return;
  }
  for (;;) {
    uint32_t before = mp_gate_seen(&gate);
    if (take())
      return;
    if (mp_gate_wait(&gate, before, deadline) == -ETIMEDOUT)
      break;
  }
  world_expect(items == 0, "it was there, and was not seen");
}

static void gate_end(void) {
  nobody_overslept();
  world_expect(items == 0, "something is left");
}

int main(void) {
  static const struct world worlds[] = {
      {"lock, two", 2, 4, 0, plain_begin, lock_live, lock_end},
      {"lock, two, one is killed", 2, 3, 1, plain_begin, lock_live, lock_end},
      {"lock, three", 3, 2, 0, plain_begin, lock_live, lock_end},
      {"lock, three, one is killed", 3, 2, 1, plain_begin, lock_live, lock_end},
      {"lock, three, two are killed", 3, 1, 2, plain_begin, lock_live,
       lock_end},
      {"rlock, two, one is killed", 2, 3, 1, recursive_begin, recursive_live,
       lock_end},
      {"lock with a timeout, one is killed", 3, 2, 1, plain_begin,
       impatient_live, impatient_end},
      {"semaphore, two", 2, 4, 0, sem_begin, sem_live, sem_end},
      {"semaphore, three", 3, 2, 0, sem_begin, sem_live, sem_end},
      {"semaphore, who gives is killed", 3, 2, 1, give_begin, give_live,
       nobody_overslept},
      {"event", 3, 3, 0, event_begin, once_live, once_end},
      {"event, set and cleared, one is killed", 3, 1, 1, event_begin,
       event_live, event_end},
      {"gate", 3, 3, 0, gate_begin, gate_live, gate_end},
      {"gate, one is killed", 3, 1, 1, gate_begin, killed_gate_live,
       nobody_overslept},
  };
  int bad = 0, n = sizeof worlds / sizeof *worlds;
  for (int i = 0; i < n; i++)
    bad += world_explore(&worlds[i]) < 0;
  printf("%d passed, %d failed\n", n - bad, bad);
  return bad > 0;
}
