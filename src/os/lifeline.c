/*
** lifeline.c: a pipe that kills its reader when the writer is gone
** MIT licence, see LICENSE
*/

#include "os/lifeline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <unistd.h>

#include "base/code.h"
#include "os/fd.h"

static int armed = -1;

/* Order matters: first the signal is armed, then we look whether the parent
** has gone before that.  Between the two nothing can be missed. */
int mp_lifeline_arm(int fd, int sig) {
  char byte;
  if (fcntl(fd, F_SETOWN, getpid()) < 0 || fcntl(fd, F_SETSIG, sig) < 0 ||
      fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK) < 0)
    return -errno;
  armed = fd;
  return mp_fd_read(fd, &byte, 1) == 0 ? MP_EEOF : 0;
}

int mp_lifeline_change(int sig) {
  return armed < 0 ? 0 : mp_lifeline_arm(armed, sig);
}

static int nothing = -1;

int mp_stdin_prepare(void) {
  if (nothing < 0)
    nothing = mp_fd_lift(open("/dev/null", O_RDONLY | O_CLOEXEC));
  return nothing < 0 ? nothing : 0;
}

static int put_on_zero(int fd) {
  return dup2(fd, 0) < 0 ? -errno : 0;
}

/* Only where there is something: writing to the stream copies its page.  Not
** fflush, which would seek in the file that the parent shares. */
static void forget_input(void) {
  if (stdin->_IO_read_ptr != stdin->_IO_read_end)
    __fpurge(stdin);
  if (feof_unlocked(stdin) || ferror_unlocked(stdin))
    clearerr(stdin);
}

int mp_stdin_close(void) {
  forget_input();
  if (nothing >= 0)
    return put_on_zero(nothing);
  int fd = open("/dev/null", O_RDONLY);
  if (fd <= 0) /* 0 was closed, and now it is what it should be */
    return fd < 0 ? -errno : 0;
  int rc = put_on_zero(fd);
  mp_fd_close(fd);
  return rc;
}
