/*
** reap.c: waiting for and signalling our own children, by pidfd
** MIT licence, see LICENSE
*/

#include "os/reap.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/fd.h"

enum { BY_PIDFD = 3 }; /* P_PIDFD: not in every libc's headers */

int mp_pidfd_open(pid_t pid) {
  long fd = syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0)
    return -errno;
  return fd > 2 ? (int)fd : mp_fd_lift((int)fd); /* made CLOEXEC */
}

static int reap(int pidfd, int *status) {
  siginfo_t si;
  memset(&si, 0, sizeof si);
  if (waitid((idtype_t)BY_PIDFD, (id_t)pidfd, &si, WEXITED | WNOHANG) != 0)
    return -errno;
  if (si.si_pid == 0)
    return 0;
  *status = si.si_code == CLD_EXITED ? si.si_status : -si.si_status;
  return 1;
}

int mp_pidfd_reap(int pidfd, int *status) {
  int rc;
  do
    rc = reap(pidfd, status);
  while (rc == -EINTR);
  return rc;
}

int mp_pidfd_signal(int pidfd, int sig) {
  long rc = syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0);
  return rc < 0 ? -errno : 0;
}

void mp_pid_reap(pid_t pid) {
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
    ;
}
