/*
** child_test.c: a child that is over before its parent can look at it
** MIT licence, see LICENSE
**
** Where SIGCHLD is ignored, or a host reaps whatever ends, a short life may be
** gone from the kernel's book before the parent has asked for a pidfd.
*/

#include <poll.h>
#include <signal.h>

#include "shm_helper.h"

#include "os/clock.h"
#include "proc/child.h"
#include "shm/slot.h"

/* A child that has ended with that status, or by that signal, and is reaped. */
static pid_t gone(struct mp_arena *a, mp_proc slot, int status) {
  pid_t pid = fork();
  if (pid == 0) {
    if (mp_slot_enter(a, slot) < 0)
      _exit(99);
    if (status < 0)
      kill(getpid(), -status);
    mp_slot_leave(a, status);
    _exit(status);
  }
  waitpid(pid, NULL, 0);
  return pid;
}

static void test_gone(struct mp_arena *a, int status) {
  static const struct mp_child_options plain = {NULL, 0, 0};
  struct mp_child *c = mp_child_new();
  CHECK(mp_child_begin(c, a, &plain) == 0);
  pid_t pid = gone(a, mp_child_proc(c), status);
  CHECK(mp_child_adopt_own(c, pid) == 0);
  struct pollfd p = {mp_child_sentinel(c), POLLIN, 0};
  CHECK(poll(&p, 1, 0) == 1);
  CHECK(mp_child_signal(c, 15) == 0);
  CHECK(mp_child_pid(c) == pid);
  CHECK(mp_child_wait(c, mp_now() + MP_SECOND) == 1);
  CHECK(mp_child_status(c) == status);
  mp_child_release(c);
}

int main(void) {
  static struct mp_arena a;
  open_arena(&a, 1 << 26);
  test_gone(&a, 7);
  test_gone(&a, 0);
  test_gone(&a, -SIGKILL);
  printf("%d passed, %d failed\n", passed, failed);
  return failed > 0;
}
