/*
** shm_test.c: the arena: allocator, slots, objects, messages, limits
** MIT licence, see LICENSE
*/

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/code.h"
#include "os/clock.h"
#include "os/map.h"
#include "shm/inner.h"

static int passed, failed;

static void expect(int good, const char *what, int line) {
  if (good) {
    passed++;
    return;
  }
  failed++;
  printf("  line %d: %s\n", line, what);
}

#define CHECK(e) expect((e), #e, __LINE__)

static void whole(struct mp_arena *a, int line) {
  char why[200] = "";
  int rc = mp_arena_check(a, why, sizeof why);
  expect(rc == 0, why, line);
}

#define WHOLE(a) whole(a, __LINE__)

static struct mp_arena_stats stats_of(struct mp_arena *a) {
  struct mp_arena_stats st;
  mp_arena_stats(a, &st);
  return st;
}

static void open_arena(struct mp_arena *a, uint64_t size) {
  int rc = mp_arena_create(a, size);
  if (rc < 0) {
    printf("no arena: %s\n", mp_code_text(rc));
    exit(1);
  }
}

/* Out of the hand, as if a structure had it. */
static void keep(struct mp_arena *a, mp_off off) {
  CHECK(mp_enter(a) == 0);
  mp_hand_clear(a, mp_log(a), off);
  mp_leave(a);
}

/* Runs f in a forked child; its exit status, or -1. */
static int in_child(struct mp_arena *a, int (*f)(struct mp_arena *)) {
  int status;
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0)
    _exit(f(a));
  CHECK(waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* --- blocks --- */

static void test_sizes(void) {
  struct mp_arena a;
  open_arena(&a, 256 << 20);
  for (size_t size = 0; size < 300000; size += 1 + size / 7) {
    mp_off off = 0;
    CHECK(mp_alloc(&a, size, &off) == 0);
    CHECK(off % 16 == 0 && mp_block_size(&a, off) >= size);
    CHECK(size < 129 || mp_block_size(&a, off) <= size + size / 4 + 65536);
    memset(mp_at(&a, off), 0xee, mp_block_size(&a, off));
    mp_free(&a, off);
  }
  WHOLE(&a);
  CHECK(stats_of(&a).blocks == 0 && stats_of(&a).used == 0);
  mp_arena_detach(&a);
}

static void test_hand_full(void) {
  struct mp_arena a;
  mp_off off[MP_HAND], more;
  open_arena(&a, 0);
  for (int i = 0; i < MP_HAND; i++)
    CHECK(mp_alloc(&a, 40, &off[i]) == 0);
  CHECK(mp_alloc(&a, 40, &more) == -EBUSY);
  CHECK(mp_alloc(&a, 400000, &more) == -EBUSY);
  mp_free(&a, off[3]);
  CHECK(mp_alloc(&a, 40, &more) == 0 && more == off[3]);
  keep(&a, more);
  CHECK(mp_alloc(&a, 40, &off[3]) == 0);
  WHOLE(&a);
  mp_arena_detach(&a);
}

/* More than 4 GiB in one block, both ends usable. */
static void test_huge(void) {
  struct mp_arena a;
  mp_off off;
  uint64_t size = UINT64_C(5) << 30;
  if (mp_map_available() < size + size / 2)
    return; /* the machine is too small for this one */
  open_arena(&a, UINT64_C(16) << 30);
  CHECK(mp_alloc(&a, size, &off) == 0);
  CHECK(mp_block_size(&a, off) >= size);
  *(char *)mp_at(&a, off + size - 1) = 1;
  CHECK(stats_of(&a).committed >= size);
  mp_free(&a, off);
  CHECK(stats_of(&a).committed < 64 << 20);
  WHOLE(&a);
  mp_arena_detach(&a);
}

static void test_full(void) {
  struct mp_arena a;
  mp_off off[4096];
  int n = 0;
  open_arena(&a, 0);
  CHECK(mp_alloc(&a, SIZE_MAX, &off[0]) == MP_ENOARENA);
  CHECK(mp_alloc(&a, (size_t)a.size, &off[0]) == MP_ENOARENA);
  while (n < 4096 && mp_alloc(&a, 60000, &off[n]) == 0)
    keep(&a, off[n++]);
  CHECK(n > 200 && n < 4096);
  WHOLE(&a);
  for (int i = 0; i < n; i += 2)
    mp_free(&a, off[i]);
  CHECK(mp_alloc(&a, 100000, &off[0]) == MP_ENOARENA); /* no two in a row */
  for (int i = 1; i < n; i += 2)
    mp_free(&a, off[i]);
  WHOLE(&a);
  CHECK(mp_alloc(&a, (size_t)n * 60000, &off[0]) == 0); /* all in a row */
  mp_free(&a, off[0]);
  CHECK(stats_of(&a).blocks == 0);
  mp_arena_detach(&a);
}

/* --- the allocator against a naive model --- */

enum { MODEL = 600 };

static uint32_t random_state;

static uint32_t random_below(uint32_t n) {
  random_state = random_state * 1664525 + 1013904223;
  return (uint32_t)((uint64_t)(random_state >> 8) * n >> 24);
}

static size_t random_size(void) {
  switch (random_below(4)) {
  case 0:
    return random_below(200);
  case 1:
    return random_below(5000);
  case 2:
    return random_below(70000);
  default:
    return random_below(900000);
  }
}

struct model {
  mp_off off;
  size_t size;
  unsigned char fill;
};

static int intact(struct mp_arena *a, const struct model *m) {
  const unsigned char *p = mp_at(a, m->off);
  if (m->size == 0)
    return 1;
  return p[0] == m->fill && p[m->size - 1] == m->fill &&
         p[m->size / 2] == m->fill;
}

static int overlaps(const struct model *m, mp_off off, size_t size) {
  for (int i = 0; i < MODEL; i++) {
    if (m[i].off != 0 && m[i].off < off + size &&
        off < m[i].off + m[i].size)
      return 1;
  }
  return 0;
}

static void model_step(struct mp_arena *a, struct model *m, int i) {
  if (m[i].off != 0) {
    CHECK(intact(a, &m[i]));
    mp_free(a, m[i].off);
    m[i].off = 0;
    return;
  }
  size_t size = random_size();
  mp_off off;
  int rc = mp_alloc(a, size, &off);
  if (rc == MP_ENOARENA)
    return;
  CHECK(rc == 0 && !overlaps(m, off, size));
  keep(a, off);
  m[i] = (struct model){off, size, (unsigned char)random_below(256)};
  memset(mp_at(a, off), m[i].fill, size);
}

static void test_model(uint64_t size) {
  static struct model m[MODEL];
  struct mp_arena a;
  open_arena(&a, size);
  random_state = (uint32_t)time(NULL);
  printf("  model: seed %u\n", random_state);
  for (int step = 0; step < 20000; step++) {
    model_step(&a, m, (int)random_below(MODEL));
    if (step % 2000 == 0)
      WHOLE(&a);
  }
  for (int i = 0; i < MODEL; i++) {
    if (m[i].off != 0)
      model_step(&a, m, i);
  }
  WHOLE(&a);
  CHECK(stats_of(&a).blocks == 0 && stats_of(&a).used == 0);
  mp_arena_detach(&a);
}

/* --- memory that the machine does not give --- */

static int commits_left;
static struct mp_map_ops real_ops;

static int failing_commit(int fd, uint64_t off, uint64_t len) {
  if (commits_left-- <= 0)
    return -ENOSPC;
  return real_ops.commit(fd, off, len);
}

static uint64_t little(void) {
  return 40 << 20;
}

/* Fails the n-th commitment, for every n until none fails. */
static void test_commit_fails(void) {
  int rc = -1;
  real_ops = mp_map_ops;
  for (int n = 0; n < 20 && rc < 0; n++) {
    struct mp_arena a;
    mp_off small = 0, large = 0;
    uint32_t h;
    commits_left = n;
    mp_map_ops.commit = failing_commit;
    rc = mp_arena_create(&a, 0);
    mp_map_ops.commit = rc < 0 ? real_ops.commit : failing_commit;
    if (rc < 0)
      continue;
    rc = mp_alloc(&a, 100, &small);
    if (rc == 0)
      rc = mp_alloc(&a, 3 << 20, &large);
    if (rc == 0)
      rc = mp_object_create(&a, MP_T_VALUE, 500000, &large, &h);
    CHECK(rc == 0 || rc == MP_ENOARENA || rc == MP_ENOSLOT);
    mp_map_ops = real_ops;
    WHOLE(&a);
    CHECK(mp_alloc(&a, 5000, &small) == 0); /* it goes on */
    mp_arena_detach(&a);
  }
  mp_map_ops = real_ops;
  CHECK(rc == 0);
}

/* The kernel would grant it and kill later: we say no first. */
static void test_machine_full(void) {
  struct mp_arena a;
  mp_off off;
  open_arena(&a, UINT64_C(1) << 30);
  real_ops = mp_map_ops;
  mp_map_ops.available = little;
  CHECK(mp_alloc(&a, 100 << 20, &off) == MP_ENOARENA);
  CHECK(stats_of(&a).committed < 8 << 20);
  CHECK(mp_alloc(&a, 10 << 20, &off) == 0);
  mp_map_ops = real_ops;
  CHECK(mp_alloc(&a, 100 << 20, &off) == 0);
  WHOLE(&a);
  mp_arena_detach(&a);
}

static int limited(struct mp_arena *unused) {
  struct mp_arena *a;
  mp_off off;
  (void)unused;
  if (mp_arena_self(&a) < 0 || a->size >= UINT64_C(2) << 30)
    return 1;
  if (mp_alloc(a, 1 << 20, &off) < 0)
    return 2;
  memset(mp_at(a, off), 1, 1 << 20);
  if (mp_alloc(a, (size_t)1 << 32, &off) != MP_ENOARENA)
    return 3;
  return mp_arena_check(a, NULL, 0) == 0 ? 0 : 4;
}

static int under_address_limit(struct mp_arena *a) {
  struct rlimit r = {UINT64_C(2) << 30, UINT64_C(2) << 30};
  setrlimit(RLIMIT_AS, &r);
  return limited(a);
}

static int under_file_limit(struct mp_arena *a) {
  struct rlimit r = {UINT64_C(300) << 20, UINT64_C(300) << 20};
  setrlimit(RLIMIT_FSIZE, &r);
  return limited(a);
}

static void test_limits(void) {
  CHECK(in_child(NULL, under_file_limit) == 0);
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
  /* their shadows need the address space */
  CHECK(in_child(NULL, under_address_limit) == 0);
#endif
}

/* What was freed goes back beyond a reserve, and comes back as zeros. */
static void test_giving_back(void) {
  struct mp_arena a;
  mp_off off, piece[64];
  uint32_t handle;
  open_arena(&a, UINT64_C(1) << 30);
  CHECK(mp_alloc(&a, 200 << 20, &off) == 0);
  memset(mp_at(&a, off), 0xff, 200 << 20);
  mp_free(&a, off);
  CHECK(stats_of(&a).committed < 64 << 20);
  CHECK(mp_object_create(&a, MP_T_ARRAY, 200 << 20, &off, &handle) == 0);
  const unsigned char *p = mp_at(&a, off);
  int zero = 1;
  for (size_t i = sizeof(struct mp_object); i < 200 << 20; i += 511)
    zero = zero && p[i] == 0;
  CHECK(zero);
  mp_object_detach(&a, handle);
  for (int i = 0; i < 64; i++) { /* in pieces */
    CHECK(mp_alloc(&a, 2 << 20, &piece[i]) == 0);
    keep(&a, piece[i]);
  }
  for (int i = 0; i < 64; i++)
    mp_free(&a, piece[i]);
  CHECK(stats_of(&a).committed < 64 << 20);
  WHOLE(&a);
  mp_arena_detach(&a);
}

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

/* --- objects and messages --- */

static void test_objects(void) {
  enum { MANY = 100000 };
  struct mp_arena a;
  uint32_t *h = malloc(MANY * sizeof *h);
  mp_off *off = malloc(MANY * sizeof *off);
  open_arena(&a, UINT64_C(1) << 30);
  int64_t start = mp_now();
  for (int i = 0; i < MANY; i++)
    CHECK(mp_object_create(&a, MP_T_VALUE, 48, &off[i], &h[i]) == 0);
  printf("  object create: %lld ns\n", (long long)(mp_now() - start) / MANY);
  WHOLE(&a);
  CHECK(mp_object_is(&a, off[5], MP_T_VALUE));
  CHECK(!mp_object_is(&a, off[5], MP_T_LOCK));
  CHECK(!mp_object_is(&a, off[5] + 16, MP_T_VALUE));
  CHECK(!mp_object_is(&a, UINT64_MAX - 5, MP_T_VALUE));
  CHECK(!mp_object_is(&a, 64, MP_T_VALUE));
  start = mp_now();
  for (int i = 0; i < MANY; i++)
    mp_object_detach(&a, h[i]);
  printf("  object detach: %lld ns\n", (long long)(mp_now() - start) / MANY);
  CHECK(!mp_object_is(&a, off[5], MP_T_VALUE));
  CHECK(mp_object_attach(&a, off[5], &h[0]) == MP_ECORRUPT);
  CHECK(stats_of(&a).blocks == 0);
  WHOLE(&a);
  free(off);
  free(h);
  mp_arena_detach(&a);
}

static int destroyed;

struct owner {
  struct mp_object head;
  struct mp_guard guard;
  uint64_t message;
};

static void destroy_owner(struct mp_arena *a, mp_off off) {
  struct owner *o = mp_at(a, off);
  destroyed++;
  CHECK(mp_guard_enter(a, &o->guard) == 0);
  mp_off m = o->message;
  if (m != 0) {
    CHECK(mp_hand_set(a, &o->guard, m) == 0);
    mp_set64(a, &o->guard, &o->message, 0);
  }
  mp_guard_leave(a, &o->guard);
  if (m != 0)
    mp_message_free(a, m);
}

/* Owners that own messages that hold owners, 50,000 deep: no recursion. */
static void test_nested(void) {
  enum { DEEP = 50000 };
  struct mp_arena a;
  mp_off last = 0, m, off;
  uint32_t last_handle = 0, h;
  open_arena(&a, UINT64_C(1) << 30);
  mp_object_set_destroy(MP_T_QUEUE, destroy_owner);
  for (int i = 0; i < DEEP; i++) {
    CHECK(mp_object_create(&a, MP_T_QUEUE, sizeof(struct owner), &off, &h) ==
          0);
    struct owner *o = mp_at(&a, off);
    CHECK(mp_guard_init(&o->guard) == 0);
    if (last != 0) {
      CHECK(mp_message_alloc(&a, 10, &last, 1, &m) == 0);
      CHECK(mp_guard_enter(&a, &o->guard) == 0);
      mp_set64(&a, &o->guard, &o->message, m);
      mp_hand_clear(&a, &o->guard, m);
      mp_guard_leave(&a, &o->guard);
      mp_object_detach(&a, last_handle);
    }
    last = off;
    last_handle = h;
  }
  WHOLE(&a);
  CHECK(stats_of(&a).blocks == 2 * DEEP - 1 && destroyed == 0);
  mp_object_detach(&a, last_handle);
  CHECK(destroyed == DEEP && stats_of(&a).blocks == 0);
  WHOLE(&a);
  mp_object_set_destroy(MP_T_QUEUE, NULL);
  mp_arena_detach(&a);
}

static mp_off refs[2];

static int message_and_die(struct mp_arena *a) {
  mp_off m;
  mp_slot_enter(a, child_proc);
  mp_message_alloc(a, 1000, refs, 2, &m);
  mp_message_alloc(a, 1000000, refs, 2, &m);
  kill(getpid(), SIGKILL);
  return 0;
}

static void test_messages(void) {
  struct mp_arena a;
  mp_off m;
  uint32_t h[2];
  open_arena(&a, 0);
  for (int i = 0; i < 2; i++)
    CHECK(mp_object_create(&a, MP_T_VALUE, 64, &refs[i], &h[i]) == 0);
  CHECK(mp_message_alloc(&a, 333, refs, 2, &m) == 0);
  CHECK(mp_message_size(&a, m) == 333);
  CHECK((uintptr_t)mp_message_data(&a, m) % 16 == 0);
  memset(mp_message_data(&a, m), 1, 333);
  mp_object_detach(&a, h[0]);
  CHECK(mp_object_is(&a, refs[0], MP_T_VALUE)); /* the message keeps it */
  WHOLE(&a);
  CHECK(mp_object_attach(&a, refs[0], &h[0]) == 0);
  mp_message_free(&a, m);
  CHECK(((struct mp_object *)mp_at(&a, refs[0]))->count == 1);
  CHECK(mp_slot_take(&a, 0, &child_proc) == 0);
  CHECK(in_child(&a, message_and_die) == -1);
  CHECK(((struct mp_object *)mp_at(&a, refs[1]))->count == 3);
  mp_slot_drop(&a, child_proc);
  CHECK(((struct mp_object *)mp_at(&a, refs[1]))->count == 1);
  CHECK(stats_of(&a).blocks == 2);
  CHECK(mp_message_alloc(&a, SIZE_MAX - 8, NULL, 0, &m) == MP_ENOARENA);
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
  mp_off off;
  open_arena(&a, 0);
  int64_t start = mp_now();
  for (int i = 0; i < N; i++) {
    mp_alloc(&a, 100, &off);
    mp_free(&a, off);
  }
  printf("  alloc + free: %lld ns\n", (long long)(mp_now() - start) / N);
  const struct pair *p = make_pair(&a);
  start = mp_now();
  for (int i = 0; i < N; i++) {
    mp_guard_enter(&a, (struct mp_guard *)(uintptr_t)&p->guard);
    mp_guard_leave(&a, (struct mp_guard *)(uintptr_t)&p->guard);
  }
  printf("  guard enter + leave: %lld ns\n", (long long)(mp_now() - start) / N);
  mp_arena_detach(&a);
}

int main(void) {
  test_sizes();
  test_hand_full();
  test_full();
  test_model(0);
  test_model(UINT64_C(1) << 30);
  test_commit_fails();
  test_machine_full();
  test_limits();
  test_giving_back();
  test_guard();
  test_poison();
  test_slots();
  test_orphans();
  test_foreign_fork();
  test_all_slots();
  test_no_pile();
  test_objects();
  test_nested();
  test_messages();
  test_threads();
  test_storm();
  test_join();
  test_speed();
  test_huge();
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
