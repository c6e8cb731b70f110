/*
** crash.h: kills an operation at every instruction that mattered
** MIT licence, see LICENSE
**
** The operation runs in a child, stepped instruction by instruction.  After
** each one that changed the arena, the arena is copied as the kernel would
** leave it if the child had been killed there: the robust mutexes that it
** holds are marked, its slots name a process that is dead.  Then the survivor
** (this process) sweeps the copy, checks it, and the case's own check says
** whether the operation happened wholly or not at all.
**
**     static int put(struct mp_arena *a, void *ctx) { ... }
**     static const char *whole(struct mp_arena *a, void *ctx) { ... }
**
**     struct crash_case c = {"put", make_queue, put, whole, &ctx};
**     faults += crash_points(&c);
**
** setup runs in this process, in a fresh arena (on the heap, so its address
** may be kept); operation in the child, which has this process's handles as a
** forked child has them; check in this process, on the copy: use the `a`
** that it gets and the offsets that setup left in ctx (the child's writes to
** ctx are the child's own).  It returns NULL, or what is wrong.
**
** MPLUA_CRASH_EVERY=n in the environment checks each n-th point only.
*/

#ifndef MP_SPEC_CRASH_H
#define MP_SPEC_CRASH_H

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/map.h"
#include "shm/inner.h"

struct crash_case {
  const char *name;
  int (*setup)(struct mp_arena *a, void *ctx); /* 0, or it is a fault */
  int (*operation)(struct mp_arena *a, void *ctx);
  const char *(*check)(struct mp_arena *a, void *ctx);
  void *ctx;
  /* May be NULL.  Runs in this process when the child stands before the
  ** operation already, so it may leave a dead process's guard behind for the
  ** operation to repair (crash_kill_at). */
  int (*late)(struct mp_arena *a, void *ctx);
};

/* What the last crash_points and all of them together saw. */
struct crash_count {
  long steps, points, faults;
};
static struct crash_count crash_last, crash_total;

struct crash_run {
  struct mp_arena *live;
  struct mp_arena copy; /* what the survivor works on */
  unsigned char *shadow; /* the live arena after the last step */
  pid_t victim;
};

/* --- the child --- */

static void crash_child(const struct crash_case *c, struct mp_arena *a,
                        mp_proc p) {
  if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
    _exit(120);
  if (mp_slot_enter(a, p) < 0)
    _exit(121);
  raise(SIGSTOP);
  int rc = c->operation(a, c->ctx);
  _exit(rc < 0 ? 1 : 0);
}

/* mp_slot_take without its look at other slots: it would sweep the dead that
** a setup left for the operation. */
static int crash_slot(struct mp_arena *a, mp_proc *p) {
  mp_proc self;
  int rc = mp_self_proc(a, &self);
  if (rc == 0)
    rc = mp_slot_take_for(a, self, p);
  if (rc == 0)
    rc = mp_handle_copy(a, a->self_slot, mp_slot_of(a, *p));
  return rc;
}

/* A child that stands before the operation; negative when there is none. */
static pid_t crash_start(const struct crash_case *c, struct mp_arena *a,
                         mp_proc *p) {
  int status;
  if (crash_slot(a, p) < 0)
    return -1;
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0)
    crash_child(c, a, *p);
  if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
    return -1;
  ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)PTRACE_O_EXITKILL);
  return pid;
}

/* One instruction.  1: it stands behind it; 0: it has ended, *status says. */
static int crash_step(pid_t pid, int *status) {
  int sig = 0;
  for (;;) {
    if (ptrace(PTRACE_SINGLESTEP, pid, NULL, (void *)(intptr_t)sig) != 0)
      return 0;
    if (waitpid(pid, status, 0) != pid || !WIFSTOPPED(*status))
      return 0;
    if (WSTOPSIG(*status) == SIGTRAP)
      return 1;
    sig = WSTOPSIG(*status);
    if (sig == SIGSEGV || sig == SIGABRT || sig == SIGBUS) {
      kill(pid, SIGKILL);
      waitpid(pid, status, 0);
      return 0;
    }
  }
}

/* --- what changed --- */

/* Calls each data extent of the arena: pages that were never touched are
** holes, whether they were allocated or not. */
static int crash_extents(struct crash_run *r,
                         int (*each)(struct crash_run *, off_t, off_t)) {
  int n = 0;
  off_t at = 0, end = (off_t)r->live->size;
  while (at < end && (at = lseek(r->live->fd, at, SEEK_DATA)) >= 0) {
    off_t to = lseek(r->live->fd, at, SEEK_HOLE);
    n += each(r, at, to - at);
    at = to;
  }
  return n;
}

static int crash_compare(struct crash_run *r, off_t at, off_t len) {
  if (memcmp(r->live->base + at, r->shadow + at, (size_t)len) == 0)
    return 0;
  memcpy(r->shadow + at, r->live->base + at, (size_t)len);
  return 1;
}

static int crash_copy_one(struct crash_run *r, off_t at, off_t len) {
  memcpy(r->copy.base + at, r->shadow + at, (size_t)len);
  return 1;
}

/* --- what the kernel does to a dead process's mutexes --- */

static void crash_mark(struct crash_run *r, uintptr_t entry, long offset) {
  uintptr_t place = (entry & ~(uintptr_t)1) + (uintptr_t)offset;
  uintptr_t base = (uintptr_t)r->live->base;
  if (place < base || place - base + 4 > r->live->size)
    return;
  _Atomic uint32_t *word =
    (_Atomic uint32_t *)(void *)(r->copy.base + (place - base));
  uint32_t v = atomic_load(word);
  if ((v & FUTEX_TID_MASK) == (uint32_t)r->victim)
    atomic_store(word, (v & FUTEX_WAITERS) | FUTEX_OWNER_DIED);
}

static int crash_peek(struct crash_run *r, uintptr_t at, void *out, size_t n) {
  struct iovec to = {out, n}, from = {(void *)at, n};
  return process_vm_readv(r->victim, &to, 1, &from, 1, 0) == (ssize_t)n;
}

static void crash_robust(struct crash_run *r) {
  uintptr_t list;
  size_t len;
  struct robust_list_head head;
  if (syscall(SYS_get_robust_list, r->victim, &list, &len) != 0 ||
      !crash_peek(r, list, &head, sizeof head))
    return;
  uintptr_t entry = (uintptr_t)head.list.next;
  for (int n = 0; (entry & ~(uintptr_t)1) != list && n < 100; n++) {
    crash_mark(r, entry, head.futex_offset);
    if (!crash_peek(r, entry & ~(uintptr_t)1, &entry, sizeof entry))
      break;
  }
  if (head.list_op_pending != NULL)
    crash_mark(r, (uintptr_t)head.list_op_pending, head.futex_offset);
}

static void crash_bury(struct crash_run *r) {
  for (uint32_t i = 0; i < mp_head(&r->copy)->slot_top; i++) {
    struct mp_slot *s = mp_slot_at(&r->copy, i);
    if (s->pid == r->victim)
      s->born_by = 1; /* the pid is a stranger's */
  }
}

/* --- the survivor --- */

static void crash_copy(struct crash_run *r) {
  mp_map_decommit(r->copy.fd, 0, r->copy.size);
  crash_extents(r, crash_copy_one);
  crash_robust(r);
  crash_bury(r);
  atomic_store(&r->copy.self_pid, 0);
  atomic_store(&r->copy.budget, 0);
}

static long crash_fault(const struct crash_case *c, const char *why) {
  crash_last.faults++;
  if (crash_last.faults <= 5)
    printf("  %s: point %ld, step %ld: %s\n", c->name, crash_last.points,
           crash_last.steps, why);
  return 1;
}

static void crash_survive(const struct crash_case *c, struct mp_arena *a) {
  char why[200] = "";
  if (mp_slot_sweep_all(a) < 0) {
    crash_fault(c, "the sweep failed");
    return;
  }
  if (mp_arena_check(a, why, sizeof why) < 0) {
    crash_fault(c, why);
    return;
  }
  const char *fault = c->check ? c->check(a, c->ctx) : NULL;
  if (fault == NULL && mp_arena_check(a, why, sizeof why) < 0)
    fault = why;
  if (fault != NULL)
    crash_fault(c, fault);
}

static long crash_every(void) {
  const char *s = getenv("MPLUA_CRASH_EVERY");
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_UNDEFINED__
  long n = s ? atol(s) : 5; /* several times as many instructions */
#else
  long n = s ? atol(s) : 1;
#endif
  return n > 0 ? n : 1;
}

/* Steps the child to its end; its exit status, or -1. */
static int crash_walk(const struct crash_case *c, struct crash_run *r) {
  long every = crash_every();
  int status = -1;
  crash_extents(r, crash_compare);
  while (crash_step(r->victim, &status)) {
    crash_last.steps++;
    if (crash_extents(r, crash_compare) == 0)
      continue;
    if (crash_last.points++ % every != 0)
      continue;
    crash_copy(r);
    crash_survive(c, &r->copy);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int crash_open(struct crash_run *r, struct mp_arena *a) {
  r->live = a;
  int fd = mp_map_create("mplua-copy", a->size);
  void *base, *shadow;
  if (fd < 0 || mp_map_attach(fd, a->size, &base) < 0)
    return -1;
  shadow = mmap(NULL, a->size, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  memset(&r->copy, 0, sizeof r->copy);
  r->copy.base = base;
  r->copy.size = a->size;
  r->copy.fd = fd;
  r->shadow = shadow;
  return shadow == MAP_FAILED ? -1 : 0;
}

static void crash_close(struct crash_run *r) {
  munmap(r->shadow, r->live->size);
  mp_arena_detach(&r->copy);
}

static void crash_enumerate(const struct crash_case *c, struct mp_arena *a) {
  struct crash_run r;
  mp_proc p;
  if (c->setup && c->setup(a, c->ctx) < 0) {
    crash_fault(c, "setup failed");
    return;
  }
  r.victim = crash_start(c, a, &p);
  if (r.victim < 0 || crash_open(&r, a) < 0 ||
      (c->late && c->late(a, c->ctx) < 0)) {
    crash_fault(c, "cannot trace a child");
    return;
  }
  if (crash_walk(c, &r) != 0)
    crash_fault(c, "the operation itself failed");
  crash_close(&r);
  mp_slot_set_pid(a, p, r.victim);
  crash_survive(c, a); /* it has ended by itself, without leaving its slot */
}

/* For a check.  In a copy of the arena the survivor is a new process; what
** setup's handles are is known to the slot that setup had. */
static inline void be_the_one_of_setup(struct mp_arena *a) {
  for (uint32_t i = 0; i < mp_head(a)->slot_top; i++) {
    struct mp_slot *s = mp_slot_at(a, i);
    if (s->pid != (int32_t)getpid() || s->handle_top == 0)
      continue;
    a->self_slot = s;
    atomic_store(&a->self_proc, mp_proc_of(a, s));
    atomic_store(&a->self_pid, (int32_t)getpid());
    return;
  }
}

/* Every point of one case.  The number of faults. */
static inline long crash_points(const struct crash_case *c) {
  int64_t grace = mp_slot_grace;
  memset(&crash_last, 0, sizeof crash_last);
  struct mp_arena *a = malloc(sizeof *a);
  mp_slot_grace = 0;
  if (a == NULL || mp_arena_create(a, 64 << 20) < 0)
    return crash_fault(c, "no arena");
  crash_enumerate(c, a);
  mp_arena_detach(a);
  free(a);
  mp_slot_grace = grace;
  printf("  %-28s %7ld steps %6ld points %ld faults\n", c->name,
         crash_last.steps, crash_last.points, crash_last.faults);
  crash_total.steps += crash_last.steps;
  crash_total.points += crash_last.points;
  crash_total.faults += crash_last.faults;
  return crash_last.faults;
}

/*
** For `late`: runs an operation in a child and kills it for good behind the
** n-th change of the arena.  1: killed there; 0: it ended before; -1: fault.
*/
static inline int crash_kill_at(struct mp_arena *a, const struct crash_case *c,
                                long n) {
  struct crash_run r = {.live = a};
  mp_proc p;
  int status;
  r.victim = crash_start(c, a, &p);
  r.shadow = mmap(NULL, a->size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (r.victim < 0 || r.shadow == MAP_FAILED)
    return -1;
  crash_extents(&r, crash_compare);
  int runs = 1;
  while (n > 0 && (runs = crash_step(r.victim, &status)) != 0)
    n -= crash_extents(&r, crash_compare) != 0;
  if (runs) {
    kill(r.victim, SIGKILL);
    waitpid(r.victim, &status, 0);
  }
  munmap(r.shadow, a->size);
  return runs;
}

#endif
