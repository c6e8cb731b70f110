/*
** spawn.c: making processes, and ending this one
** MIT licence, see LICENSE
*/

#include "os/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/signal.h"

enum { FIRST_FD = 3 };

pid_t mp_fork(void) {
  pid_t pid = fork();
  return pid < 0 ? -errno : pid;
}

void mp_exit_now(int status) {
  _exit(status);
}

/* Copies above all targets, so that no dup2 overwrites another's source.
** EINVAL: the process may have no descriptors up there. */
static int lift_all(const struct mp_spawn *s, int *high) {
  for (int i = 0; i < s->nfds; i++) {
    high[i] = fcntl(s->fds[i], F_DUPFD_CLOEXEC, FIRST_FD + MP_SPAWN_FDS);
    if (high[i] < 0) {
      int rc = errno == EINVAL ? -EMFILE : -errno;
      while (i-- > 0)
        mp_fd_close(high[i]);
      return rc;
    }
  }
  return 0;
}

/* posix_spawn's own functions return positive error numbers. */
static int add_actions(posix_spawn_file_actions_t *fa, const int *high, int n) {
  int err = posix_spawn_file_actions_addopen(fa, 0, "/dev/null", O_RDONLY, 0);
  for (int i = 0; i < n && err == 0; i++)
    err = posix_spawn_file_actions_adddup2(fa, high[i], FIRST_FD + i);
  if (err == 0)
    err = posix_spawn_file_actions_addclosefrom_np(fa, FIRST_FD + n);
  return err;
}

/* SIGINT stays blocked until the newborn unblocks it (boot.h): a stock lua5.4
** would take one that comes earlier for an error of its command line. */
static int set_attributes(posix_spawnattr_t *attr) {
  sigset_t defaults, interrupt;
  mp_signal_defaults(&defaults);
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  int err = posix_spawnattr_setsigdefault(attr, &defaults);
  if (err == 0)
    err = posix_spawnattr_setsigmask(attr, &interrupt);
  if (err == 0)
    err = posix_spawnattr_setflags(
        attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  return err;
}

static int spawn_with(const struct mp_spawn *s, const int *high, pid_t *pid) {
  posix_spawn_file_actions_t fa;
  posix_spawnattr_t attr;
  int err = posix_spawn_file_actions_init(&fa);
  if (err != 0)
    return err;
  err = posix_spawnattr_init(&attr);
  if (err == 0) {
    err = add_actions(&fa, high, s->nfds);
    if (err == 0)
      err = set_attributes(&attr);
    if (err == 0)
      err = posix_spawn(pid, s->path, &fa, &attr, s->argv, environ);
    posix_spawnattr_destroy(&attr);
  }
  posix_spawn_file_actions_destroy(&fa);
  return err;
}

pid_t mp_spawn(const struct mp_spawn *s) {
  int high[MP_SPAWN_FDS];
  pid_t pid = -1;
  if (s->nfds > MP_SPAWN_FDS)
    return -E2BIG;
  int rc = lift_all(s, high);
  if (rc < 0)
    return rc;
  int err = spawn_with(s, high, &pid);
  for (int i = 0; i < s->nfds; i++)
    mp_fd_close(high[i]);
  return err != 0 ? -err : pid;
}
