/*
** lost_wake_test.c: a sleeper whose waker dies with the wake-up in its hands
** MIT licence, see LICENSE
**
** B sleeps, with seconds to its deadline; A makes the change that B waits for
** and is killed at its n-th change of the arena, for every n.  Once the change
** is there B must go on by itself: sleepers look again at intervals.
*/

#include <sys/prctl.h>

#include "crash.h"

#include "base/code.h"
#include "os/clock.h"
#include "store/queue.h"
#include "sync/event.h"
#include "sync/lock.h"
#include "sync/semaphore.h"

struct ctx {
  mp_off off;
  uint32_t handle;
};

static void *body(struct mp_arena *a, const struct ctx *c) {
  return mp_at(a, c->off);
}

/* Waits end at intervals, as if by a signal: they are made again. */
#define AGAIN(rc, call) \
  do                    \
    rc = (call);        \
  while (rc == -EINTR)

static int64_t late(void) {
  return mp_now() + 20 * MP_SECOND;
}

/* --- what is waited for --------------------------------------------------- */

struct story {
  const char *name;
  long stride; /* each so many points, another one to begin with each time */
  int (*setup)(struct mp_arena *a, void *ctx);
  int (*change)(struct mp_arena *a, void *ctx); /* A; must not wait */
  int (*wait)(struct mp_arena *a, void *ctx);   /* B; 0 when it went on */
  int (*is_there)(struct mp_arena *a, struct ctx *c);
};

static int make_event(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  return mp_object_create(a, MP_T_EVENT, sizeof(struct mp_event), &c->off,
                          &c->handle);
}

static int set_event(struct mp_arena *a, void *p) {
  mp_event_set(body(a, p));
  return 0;
}

static int wait_event(struct mp_arena *a, void *p) {
  struct mp_event *e = body(a, p);
  uint32_t seen = mp_event_begin(e);
  int rc;
  AGAIN(rc, mp_event_wait(e, seen, late()));
  return rc;
}

static int event_is_there(struct mp_arena *a, struct ctx *c) {
  return mp_event_is_set(body(a, c));
}

static int make_semaphore(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  return mp_object_create(a, MP_T_SEMAPHORE, sizeof(struct mp_sem), &c->off,
                          &c->handle); /* 0 units */
}

static int post(struct mp_arena *a, void *p) {
  return mp_sem_release(body(a, p));
}

static int take(struct mp_arena *a, void *p) {
  int rc;
  AGAIN(rc, mp_sem_acquire(body(a, p), late()));
  return rc;
}

static int unit_is_there(struct mp_arena *a, struct ctx *c) {
  return mp_sem_value(body(a, c)) > 0;
}

static int make_queue(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  mp_queue_setup();
  return mp_queue_create(a, 0, 0, &c->off, &c->handle);
}

static void fill(const void *source, void *dst) {
  memset(dst, 1, *(const uint64_t *)source);
}

static int put(struct mp_arena *a, void *p) {
  uint64_t size = 100;
  struct mp_parcel parcel = {.size = size, .fill = fill, .source = &size};
  return mp_queue_put(a, body(a, p), &parcel, 0);
}

static int get(struct mp_arena *a, void *p) {
  unsigned char small[MP_INLINE_MAX];
  struct mp_item item;
  int rc;
  AGAIN(rc, mp_queue_get(a, body(a, p), small, &item, late()));
  return rc;
}

static int message_is_there(struct mp_arena *a, struct ctx *c) {
  return mp_queue_count(a, body(a, c)) > 0;
}

/* Held by this process, and released by A: any process may. */
static int make_held_lock(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  int rc = mp_object_create(a, MP_T_LOCK, sizeof(struct mp_lock), &c->off,
                            &c->handle);
  return rc < 0 ? rc : mp_lock_acquire(a, body(a, c), 0);
}

static int release(struct mp_arena *a, void *p) {
  return mp_lock_release(a, body(a, p));
}

static int acquire(struct mp_arena *a, void *p) {
  int rc;
  AGAIN(rc, mp_lock_acquire(a, body(a, p), late()));
  return rc;
}

static int lock_is_there(struct mp_arena *a, struct ctx *c) {
  return !mp_lock_is_held(body(a, c));
}

static const struct story stories[] = {
    {"event: set", 1, make_event, set_event, wait_event, event_is_there},
    {"semaphore: release", 1, make_semaphore, post, take, unit_is_there},
    {"queue: put", 3, make_queue, put, get, message_is_there},
    {"lock: release", 1, make_held_lock, release, acquire, lock_is_there},
};

/* --- the sleeper ---------------------------------------------------------- */

static pid_t start_sleeper(const struct story *s, struct mp_arena *a,
                           struct ctx *c) {
  mp_proc p;
  if (crash_slot(a, &p) < 0)
    return -1;
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    _exit(mp_slot_enter(a, p) < 0 || s->wait(a, c) < 0);
  }
  mp_slot_set_pid(a, p, pid);
  return pid;
}

/* In the kernel's words: blocked in a system call. */
static int sleeps(pid_t pid) {
  char path[64], text[256] = "";
  snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
  FILE *f = fopen(path, "r");
  if (f == NULL)
    return 0;
  size_t n = fread(text, 1, sizeof text - 1, f);
  fclose(f);
  return n > 0 && strstr(text, ") S") != NULL;
}

static void let_sleep(pid_t pid) {
  for (int i = 0, calm = 0; i < 20000 && calm < 3; i++) {
    calm = sleeps(pid) ? calm + 1 : 0;
    mp_sleep_until(mp_now() + MP_MS / 2);
  }
}

/* Its exit status when it ends within so long, else -1. */
static int ends_within(pid_t pid, int64_t time) {
  int status;
  for (int64_t end = mp_now() + time; mp_now() < end;) {
    if (waitpid(pid, &status, WNOHANG) == pid)
      return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    mp_sleep_until(mp_now() + MP_MS);
  }
  return -1;
}

static void end(pid_t pid) {
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
}

/* --- every point ---------------------------------------------------------- */

/* What became of B when A was killed there. */
static const char *verdict(const struct story *s, struct mp_arena *a,
                           struct ctx *c, pid_t sleeper) {
  if (mp_slot_sweep_all(a) < 0)
    return "the sweep failed";
  int status = ends_within(sleeper, 10 * MP_MS);
  if (status >= 0 || !s->is_there(a, c)) {
    if (status < 0)
      end(sleeper); /* nothing has happened: it may sleep on */
    return status > 0 ? "B failed" : NULL;
  }
  status = ends_within(sleeper, 10 * MP_SECOND);
  if (status < 0)
    end(sleeper);
  return status == 0 ? NULL : "B sleeps on";
}

/* A at its n-th change.  1: fault, 0: well, -1: A has no n-th change. */
static int point(const struct story *s, long n) {
  struct ctx c;
  struct mp_arena *a = calloc(1, sizeof *a);
  struct crash_case change = {s->name, s->setup, s->change, NULL, &c, NULL};
  const char *why = NULL;
  memset(&c, 0, sizeof c);
  if (mp_arena_create(a, 64 << 20) < 0 || s->setup(a, &c) < 0)
    why = "setup failed";
  pid_t sleeper = why ? -1 : start_sleeper(s, a, &c);
  if (sleeper > 0)
    let_sleep(sleeper);
  int killed = why ? 0 : crash_kill_at(a, &change, n);
  if (killed == 1)
    why = verdict(s, a, &c, sleeper);
  else if (sleeper > 0)
    end(sleeper);
  if (why != NULL)
    printf("  %s: A at %ld: %s\n", s->name, n, why);
  mp_arena_detach(a);
  free(a);
  return killed == 1 ? why != NULL : -1;
}

int main(void) {
  long passed = 0, failed = 0;
  mp_slot_grace = 0;
  for (size_t i = 0; i < sizeof stories / sizeof *stories; i++) {
    const struct story *s = &stories[i];
    long n = 1 + getpid() % s->stride, points = 0, faults = 0;
    for (int rc; (rc = point(s, n)) >= 0; n += s->stride * crash_every()) {
      points++;
      faults += rc;
    }
    printf("  %-28s %6ld points %ld faults\n", s->name, points, faults);
    faults > 0 || points == 0 ? failed++ : passed++;
  }
  printf("%ld passed, %ld failed\n", passed, failed);
  return failed > 0;
}
