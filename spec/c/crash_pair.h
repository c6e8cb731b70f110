/*
** crash_pair.h: two processes in the midst of operations, one of them killed
** MIT licence, see LICENSE
**
** A is stopped behind its n-th change of the arena; B runs into it; A is
** killed; B must end, well, by its own deadline at the latest, and the
** survivor must find all whole.  So for every n.  MPLUA_CRASH_EVERY as in
** crash.h.
*/

#ifndef MP_SPEC_CRASH_PAIR_H
#define MP_SPEC_CRASH_PAIR_H

#include <sys/prctl.h>

#include "crash.h"
#include "os/clock.h"

struct crash_pair {
  const char *name;
  int (*setup)(struct mp_arena *a, void *ctx);
  int (*first)(struct mp_arena *a, void *ctx);
  int (*second)(struct mp_arena *a, void *ctx); /* < 0: fault */
  const char *(*check)(struct mp_arena *a, void *ctx);
  void *ctx;
  void (*after)(void *ctx); /* what setup started ends; may be NULL */
};

/* No child outlives this program. */
static inline void crash_die_with_parent(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* The exit status of a child, -1 when it hangs or was killed. */
static int pair_status(pid_t pid) {
  int status;
  for (int i = 0; i < 5000; i++) {
    if (waitpid(pid, &status, WNOHANG) == pid)
      return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    mp_sleep_until(mp_now() + 1 * MP_MS);
  }
  kill(pid, SIGKILL);
  waitpid(pid, &status, 0);
  return -1;
}

/* B, stopped before its operation: what needs the arena's guard, which A may
** hold then, is done. */
static pid_t pair_start_second(const struct crash_pair *pr,
                               struct mp_arena *a) {
  mp_proc p;
  int status;
  if (crash_slot(a, &p) < 0)
    return -1;
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    crash_die_with_parent();
    if (mp_slot_enter(a, p) < 0)
      _exit(1);
    raise(SIGSTOP);
    _exit(pr->second(a, pr->ctx) < 0);
  }
  if (pid < 0 || waitpid(pid, &status, WUNTRACED) != pid)
    return -1;
  return WIFSTOPPED(status) ? pid : -1;
}

/* B runs for a moment into A, which is killed then. */
static int pair_collide(pid_t first, pid_t second) {
  int status;
  kill(second, SIGCONT);
  mp_sleep_until(mp_now() + 2 * MP_MS);
  kill(first, SIGKILL);
  waitpid(first, &status, 0);
  return pair_status(second);
}

static const char *pair_verdict(const struct crash_pair *pr,
                                struct mp_arena *a, int rc) {
  static char why[200];
  if (rc < 0)
    return "B hangs";
  if (rc > 0)
    return "B failed, or was late";
  if (mp_slot_sweep_all(a) < 0)
    return "the sweep failed";
  if (mp_arena_check(a, why, sizeof why) < 0)
    return why;
  return pr->check(a, pr->ctx);
}

static long pair_fault(const struct crash_pair *pr, long n, const char *why) {
  printf("  %s: A at %ld: %s\n", pr->name, n, why);
  return 1;
}

/* Steps A to its n-th change.  0: it has ended before. */
static int pair_step_to(struct crash_run *r, long n) {
  int status, runs = 1;
  crash_extents(r, crash_compare);
  while (n > 0 && (runs = crash_step(r->victim, &status)) != 0)
    n -= crash_extents(r, crash_compare) != 0;
  return runs;
}

static void pair_dismiss(pid_t pid) {
  int status;
  kill(pid, SIGKILL);
  waitpid(pid, &status, 0);
}

static long pair_run(const struct crash_pair *pr, struct mp_arena *a, long n) {
  struct crash_case c = {pr->name, pr->setup, pr->first, NULL, pr->ctx, NULL};
  struct crash_run r = {.live = a};
  mp_proc p;
  if (pr->setup(a, pr->ctx) < 0)
    return pair_fault(pr, n, "setup failed");
  r.victim = crash_start(&c, a, &p);
  pid_t second = pair_start_second(pr, a);
  r.shadow = mmap(NULL, a->size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (r.victim < 0 || second < 0 || r.shadow == MAP_FAILED)
    return pair_fault(pr, n, "cannot trace a child");
  long rc = -1;
  if (pair_step_to(&r, n)) {
    const char *why = pair_verdict(pr, a, pair_collide(r.victim, second));
    rc = why != NULL ? pair_fault(pr, n, why) : 0;
  } else {
    pair_dismiss(second);
  }
  munmap(r.shadow, a->size);
  return rc;
}

/* A at its n-th change.  1: fault, 0: well, -1: A has no n-th change. */
static long pair_at(const struct crash_pair *pr, long n) {
  struct mp_arena *a = calloc(1, sizeof *a);
  if (a == NULL || mp_arena_create(a, 64 << 20) < 0)
    return pair_fault(pr, n, "no arena");
  long rc = pair_run(pr, a, n);
  if (pr->after != NULL)
    pr->after(pr->ctx);
  mp_arena_detach(a);
  free(a);
  return rc;
}

/* Every `stride`th point of one pair; the number of faults. */
static inline long crash_pair_points(const struct crash_pair *pr,
                                     long stride) {
  long faults = 0, n = 1, points = 0, rc;
  while ((rc = pair_at(pr, n)) >= 0) {
    faults += rc;
    points++;
    n += stride * crash_every();
  }
  printf("  %-28s               %6ld points %ld faults\n", pr->name, points,
         faults);
  crash_total.points += points;
  crash_total.faults += faults;
  return faults;
}

#endif
