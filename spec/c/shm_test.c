/*
** shm_test.c: guards, slots, threads, processes that are killed
** MIT licence, see LICENSE
*/

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "os/clock.h"
#include "os/map.h"
#include "shm_helper.h"

/* --- guards --- */

struct pair {
  struct mp_object head;
  struct mp_guard guard;
  uint64_t x, y;
  uint32_t z;
};

static mp_off pair_off;

static struct pair *make_pair(struct mp_arena *a) {
  uint32_t h;
  CHECK(mp_object_create(a, MP_T_VALUE, sizeof(struct pair), &pair_off, &h) ==
        0);
  struct pair *p = mp_at(a, pair_off);
  CHECK(mp_guard_init(&p->guard) == 0);
  return p;
}

static int die_inside(struct mp_arena *a) {
  struct pair *p = mp_at(a, pair_off);
  mp_guard_enter(a, &p->guard);
  mp_set64(a, &p->guard, &p->x, 7);
  mp_guard_commit(&p->guard);
  mp_set64(a, &p->guard, &p->y, 8);
  mp_set32(a, &p->guard, &p->z, 9);
  mp_set64(a, &p->guard, &p->x, 9);
  kill(getpid(), SIGKILL);
  return 0;
}

static void test_guard(void) {
  struct mp_arena a;
  open_arena(&a, 0);
  struct pair *p = make_pair(&a);
  in_child(&a, die_inside);
  CHECK(mp_guard_enter(&a, &p->guard) == 0);
  CHECK(p->x == 7 && p->y == 0 && p->z == 0 && p->guard.repairs == 1);
  mp_set64(&a, &p->guard, &p->x, 1);
  mp_guard_undo(&a, &p->guard);
  CHECK(p->x == 7);
  mp_guard_leave(&a, &p->guard);
  CHECK(mp_slot_sweep_all(&a) == 1);
  WHOLE(&a);
  mp_arena_detach(&a);
}

static int die_with_rubbish(struct mp_arena *a) {
  struct pair *p = mp_at(a, pair_off);
  mp_guard_enter(a, &p->guard);
  mp_set64(a, &p->guard, &p->x, 7);
  p->guard.log[0].place = UINT64_MAX - 7;
  kill(getpid(), SIGKILL);
  return 0;
}

static void test_poison(void) {
  struct mp_arena a;
  mp_off off;
  open_arena(&a, 0);
  struct pair *p = make_pair(&a);
  in_child(&a, die_with_rubbish);
  CHECK(mp_guard_enter(&a, &p->guard) == MP_EPOISONED);
  CHECK(mp_alloc(&a, 10, &off) == MP_EPOISONED);
  CHECK(mp_guard_enter(&a, &p->guard) == MP_EPOISONED);
  CHECK(mp_arena_check(&a, NULL, 0) < 0);
  mp_arena_detach(&a);
}

/* --- slots --- */

static mp_proc child_proc;
static uint32_t handles[4];

static int enter_and_leave(struct mp_arena *a) {
  if (mp_slot_enter(a, child_proc) < 0)
    return 100;
  mp_object_detach(a, handles[1]);
  mp_slot_leave(a, 42);
  return 0;
}

static int enter_and_die(struct mp_arena *a) {
  mp_off off;
  if (mp_slot_enter(a, child_proc) < 0 || mp_alloc(a, 100, &off) < 0)
    return 100;
  kill(getpid(), SIGKILL);
  return 0;
}

static void test_slots(void) {
  struct mp_arena a;
  struct mp_slot_info info;
  mp_off off[4];
  open_arena(&a, 0);
  for (int i = 0; i < 4; i++)
    CHECK(mp_object_create(&a, MP_T_VALUE, 64, &off[i], &handles[i]) == 0);
  mp_object_detach(&a, handles[2]);
  struct mp_object *o = mp_at(&a, off[0]);

  CHECK(mp_slot_take(&a, 1, &child_proc) == 0);
  CHECK(child_proc != 0 && child_proc < UINT32_C(1) << 30);
  CHECK(o->count == 2);
  CHECK(in_child(&a, enter_and_leave) == 0);
  CHECK(o->count == 1);
  CHECK(mp_slot_info(&a, child_proc, &info) == 0);
  CHECK(info.state == MP_ENDED && info.status == 42);
  CHECK(!mp_proc_runs(&a, child_proc));
  mp_slot_drop(&a, child_proc);
  CHECK(mp_slot_info(&a, child_proc, &info) == MP_ELOST);

  CHECK(mp_slot_take(&a, 1, &child_proc) == 0);
  CHECK(in_child(&a, enter_and_die) == -1);
  CHECK(o->count == 2 && !mp_proc_runs(&a, child_proc));
  CHECK(mp_slot_sweep(&a, child_proc) == 1 && o->count == 1);
  CHECK(mp_slot_sweep(&a, child_proc) == 1);
  CHECK(mp_slot_info(&a, child_proc, &info) == 0);
  CHECK(info.state == MP_ENDED && info.status == MP_STATUS_UNKNOWN);
  CHECK(stats_of(&a).blocks == 3);
  mp_slot_drop(&a, child_proc);

  CHECK(mp_slot_take(&a, 1, &child_proc) == 0); /* a start that failed */
  mp_slot_drop(&a, child_proc);
  CHECK(o->count == 1);
  mp_proc self;
  CHECK(mp_self_proc(&a, &self) == 0 && mp_proc_runs(&a, self));
  CHECK(mp_slot_sweep(&a, self) == 0);
  WHOLE(&a);
  mp_arena_detach(&a);
}

static int take_and_die(struct mp_arena *a) {
  mp_proc p;
  for (int i = 0; i < 3; i++)
    mp_slot_take(a, 1, &p);
  return 0;
}

/* Children of the dead, and the dead that made themselves. */
static void test_orphans(void) {
  struct mp_arena a;
  mp_off off;
  open_arena(&a, 0);
  CHECK(mp_object_create(&a, MP_T_VALUE, 64, &off, &handles[0]) == 0);
  const struct mp_object *o = mp_at(&a, off);
  CHECK(in_child(&a, take_and_die) == 0);
  CHECK(o->count == 5); /* foreign fork: it counts what it inherited */
  CHECK(mp_slot_sweep_all(&a) == 1); /* a child may be on its way: grace */
  CHECK(o->count == 4);
  int64_t grace = mp_slot_grace;
  mp_slot_grace = 0;
  CHECK(mp_slot_sweep_all(&a) == 3 && o->count == 1);
  mp_slot_grace = grace;
  WHOLE(&a);
  mp_arena_detach(&a);
}

static int foreign(struct mp_arena *a) {
  mp_off off;
  uint32_t h;
  mp_object_detach(a, handles[0]); /* before the first use: not ours */
  if (mp_object_create(a, MP_T_VALUE, 64, &off, &h) < 0 || h == handles[0])
    return 1;
  mp_object_detach(a, handles[0]); /* pinned */
  mp_object_detach(a, h);
  if (mp_object_is(a, off, MP_T_VALUE))
    return 2;
  return mp_arena_check(a, NULL, 0) == 0 ? 0 : 3;
}

static void test_foreign_fork(void) {
  struct mp_arena a;
  mp_off off;
  open_arena(&a, 0);
  CHECK(mp_object_create(&a, MP_T_VALUE, 64, &off, &handles[0]) == 0);
  CHECK(in_child(&a, foreign) == 0);
  CHECK(((struct mp_object *)mp_at(&a, off))->count == 2);
  CHECK(mp_slot_sweep_all(&a) == 1);
  CHECK(((struct mp_object *)mp_at(&a, off))->count == 1);
  WHOLE(&a);
  mp_arena_detach(&a);
}

/* Every slot taken: an error; then one is dropped and it goes on. */
static void test_all_slots(void) {
  static mp_proc p[MP_SLOTS];
  struct mp_arena a;
  mp_proc more;
  int n = 0;
  open_arena(&a, 0);
  while (n < MP_SLOTS && mp_slot_take(&a, 0, &p[n]) == 0)
    n++;
  CHECK(n == MP_SLOTS - 1);
  CHECK(mp_slot_take(&a, 0, &more) == MP_ENOSLOT);
  mp_slot_drop(&a, p[77]);
  CHECK(mp_slot_take(&a, 0, &more) == 0 && more != p[77]);
  CHECK(mp_proc_index(more) == mp_proc_index(p[77]));
  p[77] = more;
  for (int i = 0; i < n; i++)
    mp_slot_drop(&a, p[i]);
  WHOLE(&a);
  mp_arena_detach(&a);
}

/* Short-lived processes whose creators never look: their slots come back. */
static void test_no_pile(void) {
  struct mp_arena a;
  open_arena(&a, 0);
  for (int i = 0; i < 300; i++) {
    CHECK(mp_slot_take(&a, 1, &child_proc) == 0);
    CHECK(in_child(&a, enter_and_die) == -1);
    mp_slot_drop(&a, child_proc);
  }
  CHECK(mp_head(&a)->slot_top < 100);
  CHECK(stats_of(&a).blocks == 0);
  WHOLE(&a);
  mp_arena_detach(&a);
}

/* --- threads, processes, kills --- */

static void *thread_work(void *p) {
  struct mp_arena *a = p;
  struct pair *pair = mp_at(a, pair_off);
  for (int i = 0; i < 3000; i++) {
    mp_off off, big;
    uint32_t h;
    if (mp_alloc(a, 24 + (size_t)i % 900, &off) < 0 ||
        mp_alloc(a, 70000, &big) < 0 ||
        mp_object_attach(a, pair_off, &h) < 0 ||
        mp_guard_enter(a, &pair->guard) < 0)
      return p;
    mp_set64(a, &pair->guard, &pair->x, pair->x + 1);
    mp_hand_clear(a, &pair->guard, off);
    mp_guard_leave(a, &pair->guard);
    mp_free(a, big);
    mp_free(a, off);
    mp_object_detach(a, h);
  }
  return NULL;
}

static void test_threads(void) {
  enum { N = 6 };
  struct mp_arena a;
  pthread_t t[N];
  void *fault;
  open_arena(&a, 0);
  const struct pair *p = make_pair(&a);
  for (int i = 0; i < N; i++)
    CHECK(pthread_create(&t[i], NULL, thread_work, &a) == 0);
  for (int i = 0; i < N; i++) {
    CHECK(pthread_join(t[i], &fault) == 0);
    CHECK(fault == NULL);
  }
  CHECK(p->x == N * 3000);
  CHECK(atomic_load(&a.hand_busy) == 0);
  CHECK(stats_of(&a).blocks == 1);
  WHOLE(&a);
  mp_arena_detach(&a);
}

static int storm_work(struct mp_arena *a) {
  if (mp_slot_enter(a, child_proc) < 0)
    return 1;
  for (;;) {
    if (thread_work(a) != NULL)
      return 2;
  }
}

static pid_t storm_start(struct mp_arena *a, mp_proc *p) {
  CHECK(mp_slot_take(a, 1, p) == 0);
  child_proc = *p;
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0)
    _exit(storm_work(a));
  mp_slot_set_pid(a, *p, pid);
  return pid;
}

/* Workers are killed at any moment and replaced. */
static void test_storm(void) {
  enum { N = 4, KILLS = 150 };
  struct mp_arena a;
  pid_t pid[N];
  mp_proc proc[N];
  int status;
  open_arena(&a, 0);
  make_pair(&a);
  random_state = (uint32_t)time(NULL);
  printf("  storm: seed %u\n", random_state);
  for (int i = 0; i < N; i++)
    pid[i] = storm_start(&a, &proc[i]);
  for (int k = 0; k < KILLS; k++) {
    uint32_t i = random_below(N);
    struct timespec ts = {0, (long)random_below(8000000)};
    nanosleep(&ts, NULL);
    kill(pid[i], SIGKILL);
    CHECK(waitpid(pid[i], &status, 0) == pid[i] && WIFSIGNALED(status));
    mp_slot_drop(&a, proc[i]);
    if (k % 10 == 0)
      WHOLE(&a);
    pid[i] = storm_start(&a, &proc[i]);
  }
  for (int i = 0; i < N; i++) {
    kill(pid[i], SIGKILL);
    waitpid(pid[i], &status, 0);
    mp_slot_drop(&a, proc[i]);
  }
  CHECK(((struct mp_object *)mp_at(&a, pair_off))->count == 1);
  /* a block that left the hand and was not freed yet is nobody's: at most
  ** one for each kill, and the pair itself */
  CHECK(stats_of(&a).blocks <= 1 + KILLS + N);
  WHOLE(&a);
  mp_arena_detach(&a);
}

/* --- joining --- */

static void test_join(void) {
  struct mp_arena a, b;
  mp_off off;
  open_arena(&a, 0);
  CHECK(mp_alloc(&a, 64, &off) == 0);
  memcpy(mp_at(&a, off), "hello", 6);
  CHECK(mp_arena_attach(&b, dup(a.fd)) == 0);
  CHECK(strcmp(mp_at(&b, off), "hello") == 0 && b.base != a.base);
  mp_arena_detach(&b);
  CHECK(mp_arena_attach(&b, dup(0)) < 0);
  int fd = mp_map_create("rubbish", a.size);
  CHECK(mp_arena_attach(&b, fd) == MP_ECORRUPT);
  mp_head(&a)->version++;
  CHECK(mp_arena_attach(&b, dup(a.fd)) == MP_ECORRUPT);
  mp_arena_detach(&a);
}

static void test_speed(void) {
  enum { N = 300000 };
  struct mp_arena a;
  open_arena(&a, 0);
  struct pair *p = make_pair(&a);
  int64_t start = mp_now();
  for (int i = 0; i < N; i++) {
    mp_guard_enter(&a, &p->guard);
    mp_guard_leave(&a, &p->guard);
  }
  printf("  guard enter + leave: %lld ns\n", (long long)(mp_now() - start) / N);
  mp_arena_detach(&a);
}

int main(void) {
  test_guard();
  test_poison();
  test_slots();
  test_orphans();
  test_foreign_fork();
  test_all_slots();
  test_no_pile();
  test_threads();
  test_storm();
  test_join();
  test_speed();
  return report();
}
