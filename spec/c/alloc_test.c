/*
** alloc_test.c: blocks of the arena: sizes, a model, memory that is not there
** MIT licence, see LICENSE
*/

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "os/clock.h"
#include "os/map.h"
#include "shm_helper.h"

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

static int no_commit(int fd, uint64_t off, uint64_t len) {
  (void)fd;
  return off + len < off;
}

/* More than 4 GiB in one block, both ends usable.  The pages in between are
** not asked for: the test is of the sizes, not of the machine. */
static void test_huge(void) {
  struct mp_map_ops real = mp_map_ops;
  struct mp_arena a;
  mp_off off;
  uint32_t handle;
  uint64_t size = UINT64_C(5) << 30;
  if (mp_map_available() < size + size / 2)
    return; /* it would be told so */
  open_arena(&a, UINT64_C(16) << 30);
  mp_map_ops.commit = no_commit;
  CHECK(mp_object_create(&a, MP_T_ARRAY, size, &off, &handle) == 0);
  mp_map_ops = real;
  CHECK(mp_block_size(&a, off) >= size);
  *(char *)mp_at(&a, off + size - 1) = 1;
  CHECK(*(char *)mp_at(&a, off + size / 2) == 0);
  CHECK(stats_of(&a).used >= size);
  WHOLE(&a);
  mp_object_detach(&a, handle);
  CHECK(stats_of(&a).used == 0 && stats_of(&a).committed < 192 << 20);
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

#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
/* not under sanitizers: their shadows need the address space */
static int under_address_limit(struct mp_arena *a) {
  struct rlimit r = {UINT64_C(2) << 30, UINT64_C(2) << 30};
  setrlimit(RLIMIT_AS, &r);
  return limited(a);
}
#endif

static int under_file_limit(struct mp_arena *a) {
  struct rlimit r = {UINT64_C(300) << 20, UINT64_C(300) << 20};
  setrlimit(RLIMIT_FSIZE, &r);
  return limited(a);
}

static void test_limits(void) {
  CHECK(in_child(NULL, under_file_limit) == 0);
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
  CHECK(in_child(NULL, under_address_limit) == 0);
#endif
}

/* What was freed goes back beyond a reserve, and comes back as zeros. */
static void test_giving_back(void) {
  struct mp_arena a;
  mp_off off, piece[64];
  uint32_t handle;
  open_arena(&a, UINT64_C(1) << 30);
  CHECK(mp_alloc(&a, 500 << 20, &off) == 0);
  memset(mp_at(&a, off), 0xff, 500 << 20);
  mp_free(&a, off);
  CHECK(stats_of(&a).committed < 192 << 20);
  CHECK(mp_object_create(&a, MP_T_ARRAY, 500 << 20, &off, &handle) == 0);
  const unsigned char *p = mp_at(&a, off);
  int zero = 1;
  for (size_t i = sizeof(struct mp_object); i < 500 << 20; i += 511)
    zero = zero && p[i] == 0;
  CHECK(zero);
  mp_object_detach(&a, handle);
  for (int i = 0; i < 64; i++) { /* in pieces */
    CHECK(mp_alloc(&a, 6 << 20, &piece[i]) == 0);
    keep(&a, piece[i]);
  }
  for (int i = 0; i < 64; i++)
    mp_free(&a, piece[i]);
  CHECK(stats_of(&a).committed < 192 << 20);
  WHOLE(&a);
  mp_arena_detach(&a);
}

/* --- speed --- */

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
  test_speed();
  test_huge();
  return report();
}
