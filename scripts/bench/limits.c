/*
** limits.c: what the machine itself takes, without any library
** MIT licence, see LICENSE
**
** usage: limits          answers each line "NAME [SIZE] COUNT" of its input by
**                        a line, seconds an operation, until "quit"
**
** Two processes that meet do so on two processors, over shared memory that
** is anonymous.  Waiting is spinning, but for "futex".
*/

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINE  64
#define SLOTS 1024 /* of a ring; a power of two */

extern char **environ;

static double now(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void *memory(size_t size, int sharing) {
  void *p =
      mmap(NULL, size, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) {
    perror("limits: mmap");
    exit(1);
  }
  return p;
}

static void on_cpu(int number) {
  cpu_set_t all, one;
  sched_getaffinity(0, sizeof all, &all);
  for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &all) || number-- > 0)
      continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
    return;
  }
}

/* A turn of waiting; a processor that both sides share is given up. */
static void pause_briefly(unsigned *turn) {
  if (++*turn % 4096 == 0)
    sched_yield();
}

/* --- birth and death --------------------------------------------------------
 */

static double fork_wait(long at_once, long n) {
  double start = now();
  for (long i = 0; i < n; i += at_once) {
    pid_t pids[1024];
    for (long k = 0; k < at_once; k++)
      if ((pids[k] = fork()) == 0)
        _exit(0);
    for (long k = 0; k < at_once; k++)
      waitpid(pids[k], NULL, 0);
  }
  return (now() - start) / (double)n;
}

/* What a pool of so many is at least. */
static double forks(long workers, long n) {
  return (double)workers * fork_wait(workers, workers * n);
}

static double heap(long megabytes, long n) {
  size_t size = (size_t)megabytes << 20;
  char *p = memory(size, MAP_PRIVATE);
  madvise(p, size, MADV_HUGEPAGE);
  memset(p, 1, size);
  double seconds = fork_wait(1, n);
  munmap(p, size);
  return seconds;
}

static double spawn_wait(long at_once, long n) {
  char name[] = "limits", word[] = "exit";
  char *argv[] = {name, word, NULL};
  double start = now();
  for (long i = 0; i < n; i += at_once) {
    pid_t pids[1024];
    for (long k = 0; k < at_once; k++)
      posix_spawn(&pids[k], "/proc/self/exe", NULL, NULL, argv, environ);
    for (long k = 0; k < at_once; k++)
      waitpid(pids[k], NULL, 0);
  }
  return (now() - start) / (double)n;
}

/* KiB of memory that an idle forked process has for itself. */
static double pss(long at_once, long n) {
  pid_t pids[1024];
  double most = 0;
  (void)n;
  for (long k = 0; k < at_once; k++)
    if ((pids[k] = fork()) == 0)
      for (;;)
        pause();
  for (long k = 0; k < at_once; k++) {
    char line[256];
    double kib;
    snprintf(line, sizeof line, "/proc/%d/smaps_rollup", (int)pids[k]);
    FILE *f = fopen(line, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
      if (sscanf(line, "Pss: %lf", &kib) == 1 && kib > most)
        most = kib;
    if (f != NULL)
      fclose(f);
  }
  for (long k = 0; k < at_once; k++) {
    kill(pids[k], 9);
    waitpid(pids[k], NULL, 0);
  }
  return most;
}

/* --- two processes ----------------------------------------------------------
 */

struct cell {
  _Atomic uint64_t sequence;
  uint64_t value;
};

struct shared {
  _Alignas(LINE) _Atomic uint32_t ping;
  _Alignas(LINE) _Atomic uint32_t pong;
  _Alignas(LINE) _Atomic uint64_t head;
  _Alignas(LINE) _Atomic uint64_t tail;
  _Alignas(LINE) _Atomic uint64_t sum;
  _Alignas(LINE) pthread_mutex_t mutex;
  struct cell cells[SLOTS];
  _Alignas(LINE) char data[];
};

/* Anonymous memory is zero: everything above begins so. */
static struct shared *shared_new(size_t size) {
  struct shared *s = memory(sizeof *s + size, MAP_SHARED);
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(&s->mutex, &attr);
  for (uint64_t i = 0; i < SLOTS; i++)
    atomic_init(&s->cells[i].sequence, i);
  return s;
}

typedef void side(struct shared *s, long size, long n);

/* `here` and `there` in `pairs` processes each; seconds an operation. */
static double meet(side *here, side *there, int pairs, long size, size_t room,
                   long n) {
  struct shared *s = shared_new(room);
  atomic_init(&s->sum, 0);
  fflush(stdout);
  for (int i = 1; i < 2 * pairs; i++) {
    if (fork() != 0)
      continue;
    on_cpu(i % 2);
    atomic_fetch_add(&s->sum, 1);
    while (atomic_load(&s->sum) < (uint64_t)(2 * pairs))
      sched_yield();
    (i % 2 ? there : here)(s, size, n);
    _exit(0);
  }
  cpu_set_t all;
  sched_getaffinity(0, sizeof all, &all);
  on_cpu(0);
  atomic_fetch_add(&s->sum, 1);
  while (atomic_load(&s->sum) < (uint64_t)(2 * pairs))
    sched_yield();
  double start = now();
  here(s, size, n);
  while (wait(NULL) > 0)
    ;
  double seconds = (now() - start) / (double)(n * pairs);
  sched_setaffinity(0, sizeof all, &all);
  munmap(s, sizeof *s + room);
  return seconds;
}

static void await(_Atomic uint32_t *word, uint32_t value) {
  unsigned turn = 0;
  while (atomic_load_explicit(word, memory_order_acquire) != value)
    pause_briefly(&turn);
}

/* A message is copied in and out, both ways: four copies a round trip. */
static void echo_here(struct shared *s, long size, long n) {
  char *mine = memory((size_t)size + 1, MAP_PRIVATE);
  for (long i = 1; i <= n; i++) {
    memcpy(s->data, mine, (size_t)size);
    atomic_store_explicit(&s->ping, (uint32_t)i, memory_order_release);
    await(&s->pong, (uint32_t)i);
    memcpy(mine, s->data, (size_t)size);
  }
}

static void echo_there(struct shared *s, long size, long n) {
  char *mine = memory((size_t)size + 1, MAP_PRIVATE);
  for (long i = 1; i <= n; i++) {
    await(&s->ping, (uint32_t)i);
    memcpy(mine, s->data, (size_t)size);
    memcpy(s->data, mine, (size_t)size);
    atomic_store_explicit(&s->pong, (uint32_t)i, memory_order_release);
  }
}

static double echo(long size, long n) {
  return meet(echo_here, echo_there, 1, size, (size_t)size, n);
}

static void sleep_for(_Atomic uint32_t *word, uint32_t value) {
  uint32_t seen;
  while ((seen = atomic_load(word)) != value)
    syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void wake(_Atomic uint32_t *word, uint32_t value) {
  atomic_store(word, value);
  syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void futex_here(struct shared *s, long size, long n) {
  (void)size;
  for (long i = 1; i <= n; i++) {
    wake(&s->ping, (uint32_t)i);
    sleep_for(&s->pong, (uint32_t)i);
  }
}

static void futex_there(struct shared *s, long size, long n) {
  (void)size;
  for (long i = 1; i <= n; i++) {
    sleep_for(&s->ping, (uint32_t)i);
    wake(&s->pong, (uint32_t)i);
  }
}

static double futex(long size, long n) {
  return meet(futex_here, futex_there, 1, size, 0, n);
}

/* --- rings ------------------------------------------------------------------
 */

static void spsc_put(struct shared *s, long size, long n) {
  char *mine = memory((size_t)size + 1, MAP_PRIVATE);
  unsigned turn = 0;
  for (uint64_t i = 0; i < (uint64_t)n; i++) {
    while (i - atomic_load_explicit(&s->tail, memory_order_acquire) >= SLOTS)
      pause_briefly(&turn);
    memcpy(s->data + (size_t)(i % SLOTS) * (size_t)size, mine, (size_t)size);
    atomic_store_explicit(&s->head, i + 1, memory_order_release);
  }
}

static void spsc_get(struct shared *s, long size, long n) {
  char *mine = memory((size_t)size + 1, MAP_PRIVATE);
  unsigned turn = 0;
  for (uint64_t i = 0; i < (uint64_t)n; i++) {
    while (atomic_load_explicit(&s->head, memory_order_acquire) <= i)
      pause_briefly(&turn);
    memcpy(mine, s->data + (size_t)(i % SLOTS) * (size_t)size, (size_t)size);
    atomic_store_explicit(&s->tail, i + 1, memory_order_release);
  }
}

static double spsc(long size, long n) {
  return meet(spsc_put, spsc_get, 1, size, (size_t)size * SLOTS, n);
}

/* A cell's sequence is its ticket when free, one more when full. */
static void mpmc_step(struct shared *s, _Atomic uint64_t *tickets, int full,
                      long n) {
  unsigned turn = 0;
  for (long i = 0; i < n; i++) {
    uint64_t ticket = atomic_fetch_add(tickets, 1);
    struct cell *c = &s->cells[ticket % SLOTS];
    uint64_t ready = ticket + (uint64_t)full;
    while (atomic_load_explicit(&c->sequence, memory_order_acquire) != ready)
      pause_briefly(&turn);
    c->value = (uint64_t)i;
    atomic_store_explicit(&c->sequence, full ? ticket + SLOTS : ticket + 1,
                          memory_order_release);
  }
}

static void mpmc_put(struct shared *s, long size, long n) {
  (void)size;
  mpmc_step(s, &s->head, 0, n);
}

static void mpmc_get(struct shared *s, long size, long n) {
  (void)size;
  mpmc_step(s, &s->tail, 1, n);
}

static double mpmc(long size, long n) {
  return meet(mpmc_put, mpmc_get, 2, size, 0, n);
}

/* --- memory and locks -------------------------------------------------------
 */

/* A message in and out: two copies. */
static double copy(long size, long n) {
  char *from = memory((size_t)size, MAP_PRIVATE);
  char *by = memory((size_t)size, MAP_SHARED);
  memset(from, 1, (size_t)size);
  memset(by, 1, (size_t)size);
  double start = now();
  for (long i = 0; i < n; i++) {
    memcpy(by, from, (size_t)size);
    memcpy(from, by, (size_t)size);
  }
  double seconds = (now() - start) / (double)n;
  munmap(from, (size_t)size);
  munmap(by, (size_t)size);
  return seconds;
}

static void lock_loop(struct shared *s, long size, long n) {
  (void)size;
  for (long i = 0; i < n; i++) {
    pthread_mutex_lock(&s->mutex);
    atomic_store_explicit(
        &s->head, atomic_load_explicit(&s->head, memory_order_relaxed) + 1,
        memory_order_relaxed);
    pthread_mutex_unlock(&s->mutex);
  }
}

static void add_loop(struct shared *s, long size, long n) {
  (void)size;
  for (long i = 0; i < n; i++)
    atomic_fetch_add(&s->head, 1);
}

static void store_loop(struct shared *s, long size, long n) {
  (void)size;
  for (long i = 0; i < n; i++)
    atomic_store_explicit(&s->head, (uint64_t)i, memory_order_release);
}

static double alone(side *loop, long n) {
  struct shared *s = shared_new(0);
  double start = now();
  loop(s, 0, n);
  double seconds = (now() - start) / (double)n;
  munmap(s, sizeof *s);
  return seconds;
}

/* Seconds an operation of both, as they follow one another. */
static double together(side *loop, long n) {
  return meet(loop, loop, 1, 0, 0, n) / 2;
}

static double mutex(long size, long n) {
  return alone(lock_loop, n + size);
}
static double mutex2(long size, long n) {
  return together(lock_loop, n + size);
}
static double add(long size, long n) {
  return alone(add_loop, n + size);
}
static double add2(long size, long n) {
  return together(add_loop, n + size);
}
static double store(long size, long n) {
  return alone(store_loop, n + size);
}

/* --- the rows ---------------------------------------------------------------
 */

static const struct row {
  const char *name;
  double (*measure)(long size, long n);
  long size; /* when none is given */
} rows[] = {
    {"fork", fork_wait, 1},   {"forks", forks, 2}, {"heap", heap, 200},
    {"spawn", spawn_wait, 1}, {"pss", pss, 1},     {"echo", echo, 0},
    {"futex", futex, 0},      {"spsc", spsc, 8},   {"mpmc", mpmc, 8},
    {"copy", copy, 8},        {"mutex", mutex, 0}, {"mutex2", mutex2, 0},
    {"add", add, 0},          {"add2", add2, 0},   {"store", store, 0},
};

static void answer(const char *line) {
  char name[16] = "";
  long a = 0, b = 0;
  int given = sscanf(line, "%15s %ld %ld", name, &a, &b);
  for (size_t i = 0; given > 1 && i < sizeof rows / sizeof *rows; i++) {
    if (strcmp(name, rows[i].name) != 0)
      continue;
    if (given == 2)
      b = a, a = rows[i].size;
    printf("%.12f\n", rows[i].measure(a, b));
    return;
  }
  printf("no such row\n");
}

int main(int argc, char **argv) {
  char line[256];
  if (argc > 1 && strcmp(argv[1], "exit") == 0)
    return 0;
  while (fgets(line, sizeof line, stdin) != NULL && strcmp(line, "quit\n")) {
    answer(line);
    fflush(stdout);
  }
  return 0;
}
