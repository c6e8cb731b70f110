/*
** shm_helper.h: what the tests of the arena share
** MIT licence, see LICENSE
*/

#ifndef MP_SPEC_SHM_HELPER_H
#define MP_SPEC_SHM_HELPER_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/code.h"
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

static inline void whole(struct mp_arena *a, int line) {
  char why[200] = "";
  int rc = mp_arena_check(a, why, sizeof why);
  expect(rc == 0, why, line);
}

#define WHOLE(a) whole(a, __LINE__)

static inline struct mp_arena_stats stats_of(struct mp_arena *a) {
  struct mp_arena_stats st;
  mp_arena_stats(a, &st);
  return st;
}

static inline void open_arena(struct mp_arena *a, uint64_t size) {
  int rc = mp_arena_create(a, size);
  if (rc < 0) {
    printf("no arena: %s\n", mp_code_text(rc));
    exit(1);
  }
}

/* Out of the hand, as if a structure had it. */
static inline void keep(struct mp_arena *a, mp_off off) {
  CHECK(mp_enter(a) == 0);
  mp_hand_clear(a, mp_log(a), off);
  mp_leave(a);
}

/* Runs f in a forked child; its exit status, or -1. */
static inline int in_child(struct mp_arena *a, int (*f)(struct mp_arena *)) {
  int status;
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0)
    _exit(f(a));
  CHECK(waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* --- a small generator, so that a printed seed repeats a run --- */

static uint32_t random_state;

static inline uint32_t random_below(uint32_t n) {
  random_state = random_state * 1664525 + 1013904223;
  return (uint32_t)((uint64_t)(random_state >> 8) * n >> 24);
}

static inline int report(void) {
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}

#endif
