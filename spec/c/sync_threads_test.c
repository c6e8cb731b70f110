/*
** sync_threads_test.c: the algorithms of sync/ with threads in the processes'
** place, so that ThreadSanitizer can watch them
** MIT licence, see LICENSE
**
**     make BUILD=build/tsan CFLAGS="-O1 -g -fsanitize=thread" \
**          build/tsan/spec/sync_threads_test && build/tsan/spec/sync_threads_test
**
** Each thread has a view of the one mapping with a slot of its own, which is
** all that makes it a process to the room.
*/

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "os/clock.h"
#include "store/cells.h"
#include "sync/barrier.h"
#include "sync/bounded.h"
#include "sync/condition.h"
#include "sync/event.h"
#include "sync/semaphore.h"

enum { THREADS = 4, ROUNDS = 20000 };

static struct mp_arena arena;
static long counter, faults; /* protected by what is tested */
static int turn;
static mp_off object, second;

struct job {
  void (*work)(struct mp_arena *a, int number);
  int number;
};

/* Waits end at intervals, as if by a signal: they are made again. */
#define AGAIN(rc, call) \
  do                    \
    rc = (call);        \
  while (rc == -EINTR)

static void *body(mp_off off) {
  return mp_at(&arena, off);
}

static struct mp_arena as_process(void) {
  struct mp_arena a = arena;
  atomic_store(&a.self_pid, 0);
  atomic_store(&a.self_proc, 0);
  atomic_store(&a.hand_busy, 0);
  atomic_store(&a.high, 0);
  a.self_slot = NULL;
  a.pinned = 0;
  return a;
}

static pthread_barrier_t line; /* they start together */

static void *run(void *p) {
  const struct job *j = p;
  struct mp_arena a = as_process();
  mp_proc self;
  if (mp_self_proc(&a, &self) < 0)
    return NULL;
  pthread_barrier_wait(&line);
  j->work(&a, j->number);
  return NULL;
}

static void run_all(void (*work)(struct mp_arena *a, int number), int n) {
  pthread_t t[THREADS];
  struct job j[THREADS];
  pthread_barrier_init(&line, NULL, (unsigned)n);
  for (int i = 0; i < n; i++) {
    j[i] = (struct job){work, i};
    pthread_create(&t[i], NULL, run, &j[i]);
  }
  for (int i = 0; i < n; i++)
    pthread_join(t[i], NULL);
  pthread_barrier_destroy(&line);
}

static void make(enum mp_object_type type, size_t size, mp_off *out) {
  uint32_t handle;
  if (mp_object_create(&arena, type, size, out, &handle) < 0)
    faults++;
}

/* --- the twins ------------------------------------------------------------ */

static void with_lock(struct mp_arena *a, int number) {
  struct mp_lock *l = body(object);
  int rc;
  (void)number;
  for (int i = 0; i < ROUNDS; i++) {
    AGAIN(rc, mp_lock_acquire(a, l, MP_FOREVER));
    counter++;
    mp_lock_release(a, l);
  }
}

static void with_rlock(struct mp_arena *a, int number) {
  struct mp_lock *l = body(object);
  int rc;
  (void)number;
  for (int i = 0; i < ROUNDS; i++) {
    AGAIN(rc, mp_lock_acquire(a, l, MP_FOREVER));
    AGAIN(rc, mp_lock_acquire(a, l, MP_FOREVER));
    counter++;
    mp_lock_release(a, l);
    mp_lock_release(a, l);
  }
}

static void with_timeouts(struct mp_arena *a, int number) {
  struct mp_lock *l = body(object);
  for (int i = 0; i < ROUNDS; i++) {
    int64_t deadline = mp_now() + (i + number) % 3 * 50000;
    int rc;
    AGAIN(rc, mp_lock_acquire(a, l, deadline));
    if (rc == 0) {
      counter++;
      mp_lock_release(a, l);
    }
  }
}

static void with_sem(struct mp_arena *a, int number) {
  struct mp_sem *s = body(object);
  int rc;
  (void)a, (void)number;
  for (int i = 0; i < ROUNDS; i++) {
    AGAIN(rc, mp_sem_acquire(s, MP_FOREVER));
    counter++;
    mp_sem_release(s);
  }
}

static void with_bounded(struct mp_arena *a, int number) {
  struct mp_bounded *b = body(object);
  int rc;
  (void)number;
  for (int i = 0; i < ROUNDS / 4; i++) {
    AGAIN(rc, mp_bounded_acquire(a, b, MP_FOREVER));
    counter++;
    mp_bounded_release(a, b);
  }
}

/* Two threads write `counter` in turns. */
static void with_events(struct mp_arena *a, int number) {
  struct mp_event *mine = body(number == 0 ? object : second);
  struct mp_event *other = body(number == 0 ? second : object);
  int rc;
  (void)a;
  for (int i = 0; i < ROUNDS; i++) {
    uint32_t seen = mp_event_begin(mine);
    if (!mp_event_is_set(mine))
      AGAIN(rc, mp_event_wait(mine, seen, MP_FOREVER));
    mp_event_clear(mine);
    counter++;
    mp_event_set(other);
  }
}

static void wait_once(struct mp_arena *a, struct mp_condition *c) {
  struct mp_cond_wait w;
  int rc = mp_condition_begin(a, c, &w);
  if (rc == 0)
    AGAIN(rc, mp_condition_sleep(&w, MP_FOREVER));
  mp_condition_end(&w);
  AGAIN(rc, mp_condition_relock(a, c, &w));
}

static void with_condition(struct mp_arena *a, int number) {
  struct mp_condition *c = body(object);
  int rc;
  AGAIN(rc, mp_lock_acquire(a, &c->own, MP_FOREVER));
  for (int i = 0; i < ROUNDS / 4; i++) {
    while (turn != number)
      wait_once(a, c);
    counter++;
    turn = (number + 1) % THREADS;
    mp_condition_notify(a, c, INT_MAX);
  }
  mp_lock_release(a, &c->own);
}

static long places[THREADS];

/* All write a place of their own, pass, read all places, and pass. */
static void with_barrier(struct mp_arena *a, int number) {
  struct mp_barrier *b = body(object);
  struct mp_barrier_wait w;
  int rc;
  for (int i = 0; i < ROUNDS / 2; i++) {
    if (i % 2 == 0)
      places[number] = i;
    mp_barrier_begin(a, b, &w);
    AGAIN(rc, mp_barrier_step(a, b, &w, MP_FOREVER));
    if (rc < 1 || rc > THREADS)
      return;
    for (int k = 0; i % 2 == 0 && k < THREADS; k++)
      if (places[k] != i)
        return;
  }
  mp_barrier_begin(a, b, &w);
  AGAIN(rc, mp_barrier_step(a, b, &w, MP_FOREVER));
  if (rc == 1)
    counter++;
}

static void with_raw(struct mp_arena *a, int number) {
  struct mp_cells *c = body(object);
  union mp_cell sum;
  (void)a, (void)number;
  for (int i = 0; i < ROUNDS; i++)
    mp_cell_add(mp_cells_type(c), c->data, (union mp_cell){.i = 1}, &sum);
}

/* --- */

static long passed, failed;

static void expect(const char *what, long got, long wanted) {
  if (got == wanted) {
    passed++;
    return;
  }
  failed++;
  printf("  %s: %ld, not %ld\n", what, got, wanted);
}

static void locks(void) {
  make(MP_T_LOCK, sizeof(struct mp_lock), &object);
  counter = 0;
  run_all(with_lock, THREADS);
  expect("lock", counter, THREADS * ROUNDS);
  run_all(with_timeouts, THREADS);
  expect("lock is free", mp_lock_is_held(body(object)), 0);
  make(MP_T_RLOCK, sizeof(struct mp_lock), &object);
  counter = 0;
  run_all(with_rlock, THREADS);
  expect("rlock", counter, THREADS * ROUNDS);
}

static void semaphores(void) {
  make(MP_T_SEMAPHORE, sizeof(struct mp_sem), &object);
  mp_sem_release(body(object));
  counter = 0;
  run_all(with_sem, THREADS);
  expect("semaphore", counter, THREADS * ROUNDS);
  make(MP_T_BOUNDED, sizeof(struct mp_bounded), &object);
  mp_bounded_init(body(object), 1);
  counter = 0;
  run_all(with_bounded, THREADS);
  expect("bounded", counter, THREADS * (ROUNDS / 4));
}

static void messages(void) {
  make(MP_T_EVENT, sizeof(struct mp_event), &object);
  make(MP_T_EVENT, sizeof(struct mp_event), &second);
  mp_event_set(body(object));
  counter = 0;
  run_all(with_events, 2);
  expect("events", counter, 2 * ROUNDS);
  make(MP_T_CONDITION, sizeof(struct mp_condition), &object);
  mp_condition_init(&arena, body(object), 0);
  counter = 0;
  run_all(with_condition, THREADS);
  expect("condition", counter, THREADS * (ROUNDS / 4));
  make(MP_T_BARRIER, sizeof(struct mp_barrier), &object);
  mp_barrier_init(body(object), THREADS, 0, MP_FOREVER);
  counter = 0;
  run_all(with_barrier, THREADS);
  expect("barrier", counter, 1);
}

static void values(void) {
  int type = mp_type_index('i');
  make(MP_T_VALUE, mp_cells_size(type, 1, 0), &object);
  mp_cells_init(&arena, body(object), type, 1, MP_CELLS_RAW, 0);
  run_all(with_raw, THREADS);
  struct mp_cells *c = body(object);
  expect("raw", (long)mp_cell_load(mp_cells_type(c), c->data).i,
         THREADS * ROUNDS);
}

int main(void) {
  mp_proc self;
  if (mp_arena_create(&arena, 64 << 20) < 0 || mp_self_proc(&arena, &self) < 0)
    return 1;
  locks();
  semaphores();
  messages();
  values();
  expect("objects", faults, 0);
  printf("%ld passed, %ld failed\n", passed, failed);
  return failed > 0;
}
