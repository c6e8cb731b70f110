/*
** fork.c: the start method that copies this process
** MIT licence, see LICENSE
*/

#include "proc/fork.h"

#include <stdlib.h>

#include "os/lifeline.h"
#include "os/signal.h"
#include "os/spawn.h"
#include "proc/boot.h"

/* The write end of its own lifeline would keep it alive. */
static void be_born(struct mp_child *c, struct mp_arena *a) {
  struct mp_boot boot = {a, mp_child_proc(c), mp_child_keep_read_end(c)};
  if (mp_boot(&boot) < 0)
    mp_exit_now(EXIT_FAILURE);
}

int mp_child_fork(struct mp_child *c, struct mp_arena *a) {
  sigset_t old;
  mp_stdin_prepare();
  mp_signal_block_all(&old); /* until the child has dropped our handlers */
  pid_t pid = mp_fork();
  if (pid == 0) {
    be_born(c, a);
    return 1;
  }
  int rc = pid < 0 ? (int)pid : mp_child_adopt_own(c, pid);
  mp_signal_restore(&old);
  if (rc < 0)
    mp_child_abort(c);
  return rc;
}
