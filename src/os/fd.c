/*
** fd.c: file descriptors; EINTR, CLOEXEC and short transfers live here
** MIT licence, see LICENSE
*/

#include "os/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/code.h"

int mp_fd_lift(int fd) {
  if (fd < 0)
    return fd;
  if (fd > 2) {
    int rc = mp_fd_set_cloexec(fd, 1);
    if (rc < 0)
      mp_fd_close(fd);
    return rc < 0 ? rc : fd;
  }
  int high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  int rc = high < 0 ? -errno : high;
  mp_fd_close(fd);
  return rc;
}

int mp_fd_copy(int fd) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  return copy < 0 ? -errno : copy;
}

int mp_fd_close(int fd) {
  if (close(fd) == 0)
    return 0;
  int err = errno;
  return err == EINTR ? 0 : -err;
}

/* Both ends of a new pair above 2; on failure neither is left open. */
static int lift_pair(const int pair[2], int out[2]) {
  int a = mp_fd_lift(pair[0]);
  int b = mp_fd_lift(pair[1]);
  if (a < 0 || b < 0) {
    if (a >= 0)
      mp_fd_close(a);
    if (b >= 0)
      mp_fd_close(b);
    return a < 0 ? a : b;
  }
  out[0] = a;
  out[1] = b;
  return 0;
}

int mp_fd_pipe(int out[2]) {
  int pair[2];
  if (pipe2(pair, O_CLOEXEC) != 0)
    return -errno;
  return lift_pair(pair, out);
}

int mp_fd_socketpair(int type, int out[2]) {
  int pair[2];
  if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) != 0)
    return -errno;
  return lift_pair(pair, out);
}

int mp_fd_eventfd(void) {
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0)
    return -errno;
  return mp_fd_lift(fd);
}

/* Sets or clears one bit of what F_GETx reads and F_SETx writes. */
static int set_bit(int fd, int get, int set, int bit, int on) {
  int flags = fcntl(fd, get);
  if (flags < 0)
    return -errno;
  int wanted = on ? flags | bit : flags & ~bit;
  if (wanted == flags)
    return 0;
  return fcntl(fd, set, wanted) == 0 ? 0 : -errno;
}

int mp_fd_set_nonblock(int fd, int on) {
  return set_bit(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

int mp_fd_set_cloexec(int fd, int on) {
  return set_bit(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

ssize_t mp_fd_read(int fd, void *p, size_t n) {
  ssize_t got = read(fd, p, n);
  return got < 0 ? -errno : got;
}

/* A socket whose peer is gone must answer EPIPE, not kill the process. */
ssize_t mp_fd_write(int fd, const void *p, size_t n) {
  ssize_t put = send(fd, p, n, MSG_NOSIGNAL);
  if (put < 0 && errno == ENOTSOCK)
    put = write(fd, p, n);
  return put < 0 ? -errno : put;
}

/* EAGAIN of a nonblocking descriptor is waited out, EINTR tried again. */
static int must_retry(int fd, ssize_t rc, short events) {
  struct pollfd p = {.fd = fd, .events = events, .revents = 0};
  if (rc == -EINTR)
    return 1;
  if (rc != -EAGAIN)
    return 0;
  poll(&p, 1, -1);
  return 1;
}

int mp_fd_read_all(int fd, void *p, size_t n) {
  size_t done = 0;
  while (done < n) {
    ssize_t got = mp_fd_read(fd, (char *)p + done, n - done);
    if (got > 0)
      done += (size_t)got;
    else if (got == 0)
      return MP_EEOF;
    else if (!must_retry(fd, got, POLLIN))
      return (int)got;
  }
  return 0;
}

int mp_fd_write_all(int fd, const void *p, size_t n) {
  size_t done = 0;
  while (done < n) {
    ssize_t put = mp_fd_write(fd, (const char *)p + done, n - done);
    if (put >= 0)
      done += (size_t)put;
    else if (!must_retry(fd, put, POLLOUT))
      return (int)put;
  }
  return 0;
}
