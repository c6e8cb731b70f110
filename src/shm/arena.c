/*
** arena.c: one piece of memory for a family of processes
** MIT licence, see LICENSE
*/

#include "shm/arena.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/code.h"
#include "os/fd.h"
#include "os/map.h"
#include "shm/inner.h"

#define RANGE_FIRST (UINT64_C(1) << 40) /* what is asked for first: 1 TiB */
#define RANGE_LEAST (UINT64_C(64) << 20)
#define CHUNKS_LEAST (UINT64_C(16) << 20) /* room for blocks in any arena */
#define ASK_FROM (UINT64_C(1) << 20)
#define ASK_SPARE (UINT64_C(16) << 20)

static uint64_t round_up(uint64_t n, uint64_t unit) {
  return (n + unit - 1) / unit * unit;
}

int mp_arena_contains(const struct mp_arena *a, mp_off off, uint64_t len) {
  return off <= a->size && len <= a->size - off;
}

/*
** The kernel grants shared pages until the machine is dead, then it kills.  So
** whoever wants much is told what there is; a part of that may then be taken
** unasked, so that small steps need not ask each time.
*/
static int machine_has(struct mp_arena *a, uint64_t len) {
  uint64_t budget = atomic_load_explicit(&a->budget, memory_order_relaxed);
  if (len < ASK_FROM && len <= budget) {
    atomic_store_explicit(&a->budget, budget - len, memory_order_relaxed);
    return 1;
  }
  uint64_t there = mp_map_available();
  uint64_t need = len + len / 16 + ASK_SPARE;
  if (there < need)
    return 0;
  budget = (there - need) / 16;
  if (budget > 8 * ASK_FROM)
    budget = 8 * ASK_FROM;
  atomic_store_explicit(&a->budget, budget, memory_order_relaxed);
  return 1;
}

int mp_space_commit(struct mp_arena *a, uint64_t off, uint64_t len) {
  if (!machine_has(a, len))
    return MP_ENOARENA;
  return mp_map_commit(a->fd, off, len) < 0 ? MP_ENOARENA : 0;
}

void *mp_arena_root(const struct mp_arena *a) {
  return mp_head(a)->root;
}

/* --- making one --- */

static uint64_t slots_end(void) {
  return round_up(sizeof(struct mp_head), 4096) +
         MP_SLOTS * sizeof(struct mp_slot);
}

/* Where everything lies in an arena of that size. */
static void lay_out(struct mp_head *h, uint64_t size) {
  uint64_t table = round_up(slots_end(), 4096);
  uint64_t entry = sizeof(struct mp_chunk);
  uint64_t max = (size - table - 2 * MP_CHUNK) / (MP_CHUNK + entry);
  uint64_t first = round_up(table + (max + 1) * entry, MP_CHUNK);
  h->size = size;
  h->slots = round_up(sizeof *h, 4096);
  h->table = table;
  h->chunks = first - MP_CHUNK;
  h->chunk_max = (uint32_t)max;
  h->top = 1;
}

static uint64_t least_size(void) {
  return round_up(slots_end(), MP_CHUNK) + CHUNKS_LEAST + 4 * MP_CHUNK;
}

static int map(struct mp_arena *out, int fd, uint64_t size) {
  void *base;
  int rc = mp_map_attach(fd, size, &base);
  if (rc < 0)
    return rc;
  memset(out, 0, sizeof *out);
  out->base = base;
  out->size = size;
  out->fd = fd;
  return 0;
}

static int fill_head(struct mp_arena *a) {
  struct mp_head *h = mp_head(a);
  lay_out(h, a->size);
  h->version = MP_VERSION;
  int rc = mp_guard_init(&h->guard);
  if (rc == 0)
    rc = mp_guard_init(&h->sweep);
  if (rc == 0) /* entry 0 of the table must be readable */
    rc = mp_space_commit(a, h->table, 4096);
  h->table_ready = 4096 / sizeof(struct mp_chunk);
  atomic_thread_fence(memory_order_seq_cst);
  h->magic = MP_MAGIC;
  return rc;
}

static int fill(struct mp_arena *a) {
  int rc = mp_space_commit(a, 0, round_up(sizeof(struct mp_head), 4096));
  if (rc == 0)
    rc = fill_head(a);
  if (rc < 0)
    mp_map_detach(a->base, a->size);
  return rc;
}

int mp_arena_create(struct mp_arena *out, uint64_t size) {
  struct mp_arena a;
  uint64_t least = least_size();
  size = round_up(size < least ? least : size, MP_CHUNK);
  int fd = mp_map_create("mplua", size);
  if (fd < 0)
    return fd;
  int rc = map(&a, fd, size);
  if (rc == 0)
    rc = fill(&a);
  if (rc < 0) {
    mp_fd_close(fd);
    return rc;
  }
  *out = a;
  return 0;
}

static int is_ours(const struct mp_arena *a) {
  const struct mp_head *h = mp_head(a);
  return h->magic == MP_MAGIC && h->version == MP_VERSION && h->size == a->size;
}

static int attach(struct mp_arena *out, int fd) {
  uint64_t size;
  int rc = mp_map_size(fd, &size);
  if (rc == 0 && (size < least_size() || mp_map_committed(fd) == 0))
    rc = MP_ECORRUPT;
  if (rc == 0)
    rc = map(out, fd, size);
  if (rc == 0 && !is_ours(out)) {
    mp_map_detach(out->base, size);
    rc = MP_ECORRUPT;
  }
  return rc;
}

int mp_arena_attach(struct mp_arena *out, int fd) {
  struct mp_arena a;
  fd = mp_fd_lift(fd);
  if (fd < 0)
    return fd;
  int rc = attach(&a, fd);
  if (rc < 0) {
    mp_fd_close(fd);
    return rc;
  }
  *out = a;
  return 0;
}

void mp_arena_detach(struct mp_arena *a) {
  mp_map_detach(a->base, a->size);
  mp_fd_close(a->fd);
  memset(a, 0, sizeof *a);
  a->fd = -1;
}

/* --- the one of this family --- */

static struct mp_arena own;
static struct mp_arena *_Atomic there;
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

/* Less address space where a limit, a tool or the machine has no more. */
static int create_large(struct mp_arena *out) {
  uint64_t limit = mp_map_range_limit();
  uint64_t size = RANGE_FIRST;
  int rc = -ENOMEM;
  while (size > limit && size > RANGE_LEAST)
    size /= 2;
  for (; rc < 0 && size >= RANGE_LEAST; size /= 2)
    rc = mp_arena_create(out, size);
  return rc == -ENOMEM ? MP_ENOARENA : rc;
}

static void forget_lock(void) {
  pthread_mutex_init(&making, NULL); /* a thread may have held it at the fork */
}

static void arm_once(void) {
  pthread_atfork(NULL, NULL, forget_lock);
}

static int publish(int fd) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  int rc = -EALREADY;
  pthread_once(&once, arm_once);
  pthread_mutex_lock(&making);
  if (there == NULL) {
    rc = fd < 0 ? create_large(&own) : mp_arena_attach(&own, fd);
    if (rc == 0)
      atomic_store(&there, &own);
  } else if (fd < 0) {
    rc = 0;
  }
  pthread_mutex_unlock(&making);
  return rc;
}

int mp_arena_self(struct mp_arena **out) {
  struct mp_arena *a = atomic_load_explicit(&there, memory_order_acquire);
  if (a == NULL) {
    int rc = publish(-1);
    if (rc < 0)
      return rc;
    a = atomic_load(&there);
  }
  *out = a;
  return 0;
}

struct mp_arena *mp_arena_if_any(void) {
  return atomic_load_explicit(&there, memory_order_acquire);
}

int mp_arena_join(int fd) {
  int rc = fd < 0 ? -EBADF : publish(fd);
  if (rc == -EALREADY)
    mp_fd_close(fd);
  return rc;
}
