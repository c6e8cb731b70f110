/*
** world.c: every order in which a few processes can do a few things
** MIT licence, see LICENSE
*/

#include "spec/model/world.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

#include "os/clock.h"
#include "os/futex.h"
#include "shm/object.h"
#include "shm/slot.h"
#include "sync/gate.h"

enum { STACK = 64 * 1024, STEPS = 5000, OPTIONS = 3 * WORLD_MOST };

enum state { READY, ASLEEP, ENDED, KILLED };

struct process {
  enum state state;
  _Atomic uint32_t *word; /* that it sleeps on */
  int64_t until;
  int woken; /* what its sleep ended with */
  uint64_t since;
};

enum act { GO, TIME_IS_OVER, KILL };
static const char *const mark[] = {"", "~", "x"};
struct option {
  enum act act;
  int who;
};

static const struct world *world;
static struct process process[WORLD_MOST];
static ucontext_t decider, context[WORLD_MOST];
static char stack[WORLD_MOST][STACK];
static int is_living; /* one of the processes, not the decider */
static int current, switched, killed, overslept, failed;
static int64_t clock_now;
static uint64_t steps;

/* the decisions of this run: which of how many, and what it was */
static struct {
  unsigned char taken, of;
  struct option did;
} path[STEPS];
static int length, at;

/* --- what the processes call ---------------------------------------------- */

void world_step(void) {
  if (is_living) /* `begin` and `end` are nobody's */
    swapcontext(&context[current], &decider);
}

void world_expect(int ok, const char *what) {
  if (ok || failed)
    return;
  failed = 1;
  printf("FAILED: %s: %s; who went on (~: woken by time, x: killed):\n ",
         world->name, what);
  for (int i = 0; i < at; i++)
    printf(" %d%s", path[i].did.who, mark[path[i].did.act]);
  printf("\n");
}

int world_lives(int who) {
  return process[who].state != KILLED;
}

int world_kills(void) {
  return killed;
}

int world_overslept(void) {
  return overslept;
}

/* A slice that is over makes mp_spin one look instead of thousands. */
int64_t mp_now(void) {
  mp_slice_over(-ETIMEDOUT);
  return clock_now;
}

int mp_self_proc(struct mp_arena *a, mp_proc *out) {
  (void)a;
  *out = (mp_proc)current + 1;
  return 0;
}

int mp_proc_runs(struct mp_arena *a, mp_proc p) {
  (void)a;
  world_step();
  return world_lives((int)p - 1);
}

/* Only asked of objects from elsewhere, and there are none. */
int mp_object_is(struct mp_arena *a, mp_off off, enum mp_object_type type) {
  (void)a, (void)off, (void)type;
  return 0;
}

static int sleep_on(_Atomic uint32_t *word, uint32_t seen, int64_t until) {
  world_step();
  if (*word != seen)
    return 0;
  struct process *p = &process[current];
  p->state = ASLEEP;
  p->word = word;
  p->until = until;
  p->since = steps;
  world_step();
  return p->woken;
}

static void get_up(struct process *p, int result) {
  p->state = READY;
  p->woken = result;
}

/* The one that has slept longest, as in the kernel. */
static struct process *sleeper(const _Atomic uint32_t *word) {
  struct process *first = NULL;
  for (int i = 0; i < world->processes; i++) {
    struct process *p = &process[i];
    if (p->state == ASLEEP && p->word == word &&
        (first == NULL || p->since < first->since))
      first = p;
  }
  return first;
}

static int wake(_Atomic uint32_t *word, int n) {
  int count = 0;
  world_step();
  for (struct process *p; count < n && (p = sleeper(word)) != NULL; count++)
    get_up(p, 0);
  return count;
}

struct mp_futex_ops mp_futex_ops = {sleep_on, wake};

/* --- one run -------------------------------------------------------------- */

static int is_idle(void) {
  for (int i = 0; i < world->processes; i++) {
    if (process[i].state == READY)
      return 0;
  }
  return 1;
}

/* Where nobody can run, time passes until the first sleeper's is over. */
static int idle_options(struct option *o) {
  int first = -1;
  for (int i = 0; i < world->processes; i++) {
    if (process[i].state == ASLEEP &&
        (first < 0 || process[i].until < process[first].until))
      first = i;
  }
  o[0] = (struct option){TIME_IS_OVER, first};
  return first >= 0;
}

static int options(struct option *o) {
  int n = 0, can_go = process[current].state == READY;
  int may_switch = switched < world->switches;
  if (is_idle())
    return idle_options(o);
  if (can_go)
    o[n++] = (struct option){GO, current};
  for (int i = 0; i < world->processes; i++) {
    if (i != current && process[i].state == READY && (may_switch || !can_go))
      o[n++] = (struct option){GO, i};
    if (process[i].state == ASLEEP && may_switch)
      o[n++] = (struct option){TIME_IS_OVER, i};
  }
  if (can_go && killed < world->kills)
    o[n++] = (struct option){KILL, current};
  return n;
}

static struct option decide(const struct option *o, int n) {
  if (at == length) {
    path[length].taken = 0;
    path[length++].of = (unsigned char)n;
  }
  path[at].did = o[path[at].taken];
  return path[at++].did;
}

static void apply(struct option o) {
  struct process *p = &process[o.who];
  int could_go_on = process[current].state == READY;
  switch (o.act) {
  case GO:
    switched += could_go_on && o.who != current;
    break;
  case TIME_IS_OVER:
    switched += !is_idle();
    overslept += is_idle();
    clock_now = p->until > clock_now ? p->until : clock_now;
    get_up(p, -ETIMEDOUT);
    break;
  case KILL:
    p->state = KILLED;
    killed++;
    return;
  }
  current = o.who;
  is_living = 1;
  swapcontext(&decider, &context[current]);
  is_living = 0;
}

static void be(int me) {
  world->live(me);
  process[me].state = ENDED;
}

static void make(int i) {
  memset(&process[i], 0, sizeof process[i]);
  getcontext(&context[i]);
  context[i].uc_stack.ss_sp = stack[i];
  context[i].uc_stack.ss_size = STACK;
  context[i].uc_link = &decider;
  makecontext(&context[i], (void (*)(void))(void *)be, 1, i);
}

static void run(void) {
  struct option o[OPTIONS];
  int n;
  current = switched = killed = overslept = at = 0;
  clock_now = MP_SECOND;
  for (int i = 0; i < world->processes; i++)
    make(i);
  world->begin();
  while (!failed && (n = options(o)) > 0) {
    if (at == STEPS - 1) {
      world_expect(0, "no end");
      return;
    }
    apply(decide(o, n));
    steps++;
  }
  world->end();
}

/* --- all runs ------------------------------------------------------------- */

/* The last decision that has another choice takes it; 0: all are done. */
static int next_path(void) {
  length = at;
  while (length > 0 && path[length - 1].taken + 1 == path[length - 1].of)
    length--;
  if (length > 0)
    path[length - 1].taken++;
  return length > 0;
}

int world_explore(const struct world *w) {
  uint64_t runs = 0;
  world = w;
  length = 0;
  steps = 0;
  failed = 0;
  do {
    run();
    runs++;
  } while (!failed && next_path());
  printf("%-44s %9llu runs %10llu steps\n", w->name, (unsigned long long)runs,
         (unsigned long long)steps);
  return failed ? -1 : 0;
}
