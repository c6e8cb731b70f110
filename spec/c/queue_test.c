/*
** queue_test.c: the queue without Lua: order, memory, waiting, deaths
** MIT licence, see LICENSE
*/

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/code.h"
#include "os/clock.h"
#include "os/self.h"
#include "shm/arena.h"
#include "shm/object.h"
#include "shm/slot.h"
#include "store/queue.h"

static int passed, failed;
static struct mp_arena *arena;

#define CHECK(x)                                                            \
  ((x) ? (void)passed++                                                     \
       : (void)(failed++, printf("%s:%d: %s\n", __FILE__, __LINE__, #x)))

/* --- messages: a sequence number and a pattern that depends on it --------- */

struct note {
  uint64_t id;
  uint64_t size; /* >= sizeof(struct note) */
};

static unsigned char pattern(uint64_t id, uint64_t i) {
  return (unsigned char)(id * 31 + i * 7);
}

static void fill(const void *source, void *dst) {
  const struct note *n = source;
  unsigned char *p = dst;
  memcpy(p, n, sizeof(*n));
  for (uint64_t i = sizeof(*n); i < n->size; i++)
    p[i] = pattern(n->id, i);
}

static int is_whole(const struct mp_item *item, uint64_t *id) {
  struct note n;
  const unsigned char *p = item->data;
  if (item->size < sizeof(n))
    return 0;
  memcpy(&n, p, sizeof(n));
  if (n.size != item->size)
    return 0;
  for (uint64_t i = sizeof(n); i < n.size; i++)
    if (p[i] != pattern(n.id, i))
      return 0;
  *id = n.id;
  return 1;
}

static struct mp_parcel parcel(const struct note *n) {
  struct mp_parcel p = {.size = n->size, .fill = fill, .source = n};
  return p;
}

static int put(struct mp_queue *q, uint64_t id, uint64_t size,
               int64_t deadline) {
  struct note n = {id, size};
  struct mp_parcel p = parcel(&n);
  int rc;
  do /* waits end at intervals, as if by a signal */
    rc = mp_queue_put(arena, q, &p, deadline);
  while (rc == -EINTR);
  return rc;
}

static int join(struct mp_queue *q, int64_t deadline) {
  int rc;
  do
    rc = mp_queue_join(arena, q, deadline);
  while (rc == -EINTR);
  return rc;
}

/* The id, or a negative code; a damaged message is MP_ECORRUPT. */
static int64_t get(struct mp_queue *q, int64_t deadline) {
  unsigned char small[MP_INLINE_MAX];
  struct mp_item item;
  uint64_t id;
  int rc;
  do
    rc = mp_queue_get(arena, q, small, &item, deadline);
  while (rc == -EINTR);
  if (rc < 0)
    return rc;
  rc = is_whole(&item, &id) ? 0 : MP_ECORRUPT;
  mp_item_free(arena, &item);
  return rc < 0 ? rc : (int64_t)id;
}

static int64_t in_ms(int ms) {
  return mp_now() + ms * MP_MS;
}

struct held {
  struct mp_queue *q;
  mp_off off;
  uint32_t handle;
};

static struct held make(uint64_t maxsize, uint32_t flags) {
  struct held h;
  int rc = mp_queue_create(arena, maxsize, flags, &h.off, &h.handle);
  CHECK(rc == 0);
  h.q = mp_at(arena, h.off);
  return h;
}

static uint64_t blocks(void) {
  struct mp_arena_stats s;
  mp_arena_stats(arena, &s);
  return s.blocks;
}

static void drop(struct held *h) {
  mp_object_detach(arena, h->handle);
}

/* --- one process ---------------------------------------------------------- */

static void keeps_order_and_bytes(void) {
  static const uint64_t sizes[] = {16,   17,    100,   2048,   2049,
                                   5000, 40000, 16384, 300000, 24};
  uint64_t before = blocks();
  struct held h = make(0, 0);
  int good = 1;
  for (uint64_t i = 0; i < 3000; i++)
    good &= put(h.q, i, sizes[i % 10], 0) == 0;
  CHECK(mp_queue_count(arena, h.q) == 3000);
  for (uint64_t i = 0; i < 3000; i++)
    good &= get(h.q, 0) == (int64_t)i;
  CHECK(good);
  CHECK(mp_queue_count(arena, h.q) == 0);
  CHECK(get(h.q, 0) == MP_EEMPTY);
  drop(&h);
  CHECK(blocks() == before);
}

static void gives_memory_back(void) {
  struct held h = make(0, 0);
  struct mp_arena_stats s, t;
  put(h.q, 0, 16, 0);
  get(h.q, 0);
  mp_arena_stats(arena, &s);
  for (uint64_t i = 0; i < 100000; i++)
    put(h.q, i, 100, 0);
  for (uint64_t i = 0; i < 100000; i++)
    get(h.q, 0);
  mp_arena_stats(arena, &t);
  CHECK(t.used <= s.used + 128 * 1024);
  for (uint64_t i = 0; i < 500; i++) /* dropped full: all goes */
    put(h.q, i, i % 2 ? 5000 : 50, 0);
  drop(&h);
  mp_arena_stats(arena, &t);
  CHECK(t.used < s.used);
}

static void counts_room(void) {
  struct held h = make(3, 0);
  for (uint64_t i = 0; i < 3; i++)
    CHECK(put(h.q, i, 16, 0) == 0);
  CHECK(put(h.q, 3, 16, 0) == MP_EFULL);
  int64_t start = mp_now();
  CHECK(put(h.q, 3, 4000, in_ms(30)) == MP_EFULL);
  CHECK(mp_now() - start >= 30 * MP_MS && mp_now() - start < 500 * MP_MS);
  CHECK(get(h.q, 0) == 0);
  CHECK(put(h.q, 3, 4000, 0) == 0);
  CHECK(mp_queue_count(arena, h.q) == 3);
  drop(&h);
}

static void batches(void) {
  enum { N = 1000 };
  static struct note notes[N];
  static struct mp_parcel parcels[N];
  static struct mp_batch b;
  struct held h = make(0, 0);
  size_t done;
  for (uint64_t i = 0; i < N; i++) {
    notes[i] = (struct note){i, i % 50 == 7 ? 3000 : 16 + i % 200};
    parcels[i] = parcel(&notes[i]);
  }
  CHECK(mp_queue_put_many(arena, h.q, parcels, N, 0, &done) == 0);
  CHECK(done == N && mp_queue_count(arena, h.q) == N);
  uint64_t next = 0, id = 0;
  int good = 1;
  while (mp_queue_get_many(arena, h.q, &b, N - next, 0) == 0) {
    for (uint32_t i = 0; i < b.count; i++)
      good &= is_whole(&b.item[i], &id) && id == next++;
    mp_batch_free(arena, &b);
  }
  CHECK(good && next == N);
  struct held small = make(10, 0);
  CHECK(mp_queue_put_many(arena, small.q, parcels, N, 0, &done) == MP_EFULL);
  CHECK(done == 10);
  drop(&h);
  drop(&small);
}

static void shuts_down(void) {
  struct held h = make(0, 0);
  put(h.q, 1, 16, 0);
  CHECK(mp_queue_shutdown(arena, h.q, 0) == 0);
  CHECK(put(h.q, 2, 16, 0) == MP_ESHUTDOWN);
  CHECK(get(h.q, MP_FOREVER) == 1);
  CHECK(get(h.q, MP_FOREVER) == MP_ESHUTDOWN);
  drop(&h);
  h = make(0, MP_Q_JOINABLE);
  put(h.q, 1, 16, 0);
  put(h.q, 2, 5000, 0);
  CHECK(join(h.q, 0) == -ETIMEDOUT);
  CHECK(mp_queue_shutdown(arena, h.q, 1) == 0);
  CHECK(get(h.q, MP_FOREVER) == MP_ESHUTDOWN);
  CHECK(mp_queue_count(arena, h.q) == 0);
  CHECK(join(h.q, MP_FOREVER) == 0);
  drop(&h);
}

static void carries_references(void) {
  uint64_t before = blocks();
  struct held h = make(0, 0), x = make(0, 0);
  struct note n = {5, 16};
  struct mp_parcel p = parcel(&n);
  p.refs = &x.off;
  p.nrefs = 1;
  CHECK(mp_queue_put(arena, h.q, &p, 0) == 0);
  drop(&x);
  CHECK(mp_object_is(arena, x.off, MP_T_QUEUE));
  CHECK(get(h.q, 0) == 5);
  CHECK(!mp_object_is(arena, x.off, MP_T_QUEUE));
  x = make(0, 0);
  p.refs = &x.off;
  CHECK(mp_queue_put(arena, h.q, &p, 0) == 0);
  drop(&x);
  drop(&h); /* with the message in it */
  CHECK(blocks() == before);
}

/* --- several processes ---------------------------------------------------- */

static pid_t child(void (*f)(struct mp_queue *, int), struct mp_queue *q,
                   int arg) {
  pid_t pid = fork();
  if (pid != 0)
    return pid;
  f(q, arg);
  _exit(0);
}

static int status_of(pid_t pid) {
  int status = -1;
  waitpid(pid, &status, 0);
  return status;
}

static void put_later(struct mp_queue *q, int ms) {
  mp_sleep_until(in_ms(ms));
  put(q, 77, 16, 0);
}

static void shut_later(struct mp_queue *q, int ms) {
  mp_sleep_until(in_ms(ms));
  mp_queue_shutdown(arena, q, 0);
}

static void wakes_sleepers(void) {
  struct held h = make(0, 0);
  pid_t pid = child(put_later, h.q, 50);
  int64_t start = mp_now();
  CHECK(get(h.q, MP_FOREVER) == 77);
  CHECK(mp_now() - start >= 40 * MP_MS && mp_now() - start < 500 * MP_MS);
  CHECK(status_of(pid) == 0);
  pid = child(shut_later, h.q, 20);
  CHECK(get(h.q, MP_FOREVER) == MP_ESHUTDOWN);
  status_of(pid);
  drop(&h);
}

static void get_for_ever(struct mp_queue *q, int arg) {
  (void)arg;
  for (;;)
    get(q, MP_FOREVER);
}

/* Sleepers that are killed do not take wake-ups with them. */
static void survives_dead_sleepers(void) {
  struct held h = make(0, 0);
  for (int round = 0; round < 5; round++) {
    pid_t pids[3];
    for (int i = 0; i < 3; i++)
      pids[i] = child(get_for_ever, h.q, 0);
    mp_sleep_until(in_ms(10));
    for (int i = 0; i < 3; i++)
      kill(pids[i], SIGKILL);
    for (int i = 0; i < 3; i++)
      status_of(pids[i]);
    put(h.q, 5, 16, 0);
    CHECK(get(h.q, in_ms(1000)) == 5);
  }
  drop(&h);
}

static void take_and_die(struct mp_queue *q, int n) {
  for (int i = 0; i < n; i++)
    get(q, MP_FOREVER);
  kill(getpid(), SIGKILL);
}

static void finish_all(struct mp_queue *q, int n) {
  for (int i = 0; i < n; i++) {
    get(q, MP_FOREVER);
    mp_sleep_until(in_ms(5));
    mp_queue_task_done(arena, q);
  }
}

static void knows_what_the_dead_took(void) {
  struct held h = make(0, MP_Q_JOINABLE);
  for (uint64_t i = 0; i < 5; i++)
    put(h.q, i, 16, 0);
  status_of(child(take_and_die, h.q, 2));
  CHECK(join(h.q, in_ms(20)) == -ETIMEDOUT); /* 3 wait */
  pid_t pid = child(finish_all, h.q, 3);
  CHECK(join(h.q, in_ms(5000)) == MP_ELOST);
  status_of(pid);
  CHECK(mp_queue_task_done(arena, h.q) == 0);
  CHECK(join(h.q, 0) == MP_ELOST);
  CHECK(mp_queue_task_done(arena, h.q) == 0);
  CHECK(join(h.q, 0) == 0);
  CHECK(mp_queue_task_done(arena, h.q) == MP_EEMPTY);
  drop(&h);
}

/* --- kill storm ----------------------------------------------------------- */

/*
** Producers and consumers are killed at random and replaced.  A producer's
** message i is marked in shared memory before and after its put, a consumer's
** after its get; so afterwards: what was surely put was got once, or not at
** all, and then by no more messages than consumers were killed.
*/
enum { PRODUCERS = 3, CONSUMERS = 3, EACH = 100000 };

struct score {
  _Atomic uint32_t begun[PRODUCERS], done[PRODUCERS];
  _Atomic uint8_t got[PRODUCERS][EACH];
  _Atomic uint32_t torn, twice;
};

static struct score *score;

static uint64_t size_of(uint64_t id) {
  return id % 97 == 0 ? 3000 : id % 31 == 0 ? 2100 : 16 + id % 300;
}

static void produce(struct mp_queue *q, int who) {
  for (;;) {
    uint32_t i = atomic_load(&score->begun[who]);
    if (i >= EACH)
      return;
    atomic_store(&score->begun[who], i + 1);
    uint64_t id = (uint64_t)who * EACH + i;
    if (put(q, id, size_of(id), MP_FOREVER) == 0)
      atomic_fetch_add(&score->done[who], 1);
  }
}

static void consume(struct mp_queue *q, int who) {
  (void)who;
  for (;;) {
    int64_t id = get(q, MP_FOREVER);
    if (id == MP_ESHUTDOWN)
      return;
    if (id < 0) {
      atomic_fetch_add(&score->torn, 1);
      continue;
    }
    if (atomic_fetch_add(&score->got[id / EACH][id % EACH], 1) != 0)
      atomic_fetch_add(&score->twice, 1);
  }
}

static int all_begun(void) {
  for (int i = 0; i < PRODUCERS; i++)
    if (atomic_load(&score->begun[i]) < EACH)
      return 0;
  return 1;
}

static void kill_storm(unsigned seed) {
  struct held h = make(500, 0);
  pid_t pids[PRODUCERS + CONSUMERS];
  uint32_t killed_consumers = 0, killed_producers = 0;
  mp_off off;
  int rc = mp_alloc(arena, sizeof(*score), &off);
  CHECK(rc == 0);
  score = mp_at(arena, off);
  memset(score, 0, sizeof(*score));
  srand(seed);
  for (int i = 0; i < PRODUCERS + CONSUMERS; i++)
    pids[i] = child(i < PRODUCERS ? produce : consume, h.q, i);
  int64_t limit = mp_now() + 20 * MP_SECOND;
  while (!all_begun() && mp_now() < limit) {
    mp_sleep_until(mp_now() + (rand() % 2000) * 1000);
    int i = rand() % (PRODUCERS + CONSUMERS);
    kill(pids[i], SIGKILL);
    int status = status_of(pids[i]);
    if (WIFSIGNALED(status) && i < PRODUCERS)
      killed_producers++;
    if (WIFSIGNALED(status) && i >= PRODUCERS)
      killed_consumers++;
    pids[i] = child(i < PRODUCERS ? produce : consume, h.q, i);
    mp_slot_sweep_all(arena);
  }
  CHECK(all_begun());
  for (int i = 0; i < PRODUCERS; i++)
    status_of(pids[i]);
  mp_queue_shutdown(arena, h.q, 0);
  for (int i = PRODUCERS; i < PRODUCERS + CONSUMERS; i++)
    status_of(pids[i]);
  mp_slot_sweep_all(arena);
  uint32_t got = 0, put_surely = 0, put_perhaps = 0;
  for (int p = 0; p < PRODUCERS; p++) {
    put_surely += atomic_load(&score->done[p]);
    put_perhaps += atomic_load(&score->begun[p]);
    for (int i = 0; i < EACH; i++)
      got += atomic_load(&score->got[p][i]);
  }
  printf("  seed %u: killed %u producers, %u consumers; put %u..%u, got %u\n",
         seed, killed_producers, killed_consumers, put_surely, put_perhaps,
         got);
  CHECK(killed_producers + killed_consumers > 10);
  CHECK(atomic_load(&score->torn) == 0);
  CHECK(atomic_load(&score->twice) == 0);
  CHECK(got + killed_consumers >= put_surely && got <= put_perhaps);
  CHECK(put_perhaps <= put_surely + killed_producers);
  CHECK(mp_queue_count(arena, h.q) == 0);
  mp_free(arena, off);
  drop(&h);
}

int main(int argc, char **argv) {
  unsigned seed = argc > 1 ? (unsigned)atoi(argv[1]) : (unsigned)getpid();
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (mp_arena_self(&arena) < 0)
    return 1;
  mp_queue_setup();
  keeps_order_and_bytes();
  gives_memory_back();
  counts_room();
  batches();
  shuts_down();
  carries_references();
  wakes_sleepers();
  survives_dead_sleepers();
  knows_what_the_dead_took();
  uint64_t before = blocks();
  kill_storm(seed);
  CHECK(blocks() <= before + 1); /* this process's table of handles */
  char why[200] = "";
  CHECK(mp_arena_check(arena, why, sizeof(why)) == 0);
  if (why[0] != '\0')
    puts(why);
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
