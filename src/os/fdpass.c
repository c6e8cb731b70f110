/*
** fdpass.c: descriptors that travel over a socket
** MIT licence, see LICENSE
**
** Whatever happens, no received descriptor is left open unseen.
*/

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "os/fd.h"

enum { FDS_MAX = 64 }; /* in one message */

union control {
  struct cmsghdr align;
  char room[CMSG_SPACE(sizeof(int) * FDS_MAX)];
};

int mp_fd_send(int sock, const void *p, size_t n, const int *fds, int nfds) {
  if (nfds < 0 || nfds > FDS_MAX)
    return -EINVAL;
  union control c;
  memset(&c, 0, sizeof c);
  struct iovec iov = {.iov_base = (void *)(uintptr_t)p, .iov_len = n};
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
  if (nfds > 0) {
    m.msg_control = c.room;
    m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)nfds);
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)nfds);
    memcpy(CMSG_DATA(h), fds, sizeof(int) * (size_t)nfds);
  }
  ssize_t put = sendmsg(sock, &m, MSG_NOSIGNAL);
  if (put < 0)
    return -errno;
  if ((size_t)put == n)
    return 0;
  /* a stream took a part: the descriptors went with it, the rest follows */
  return mp_fd_write_all(sock, (const char *)p + put, n - (size_t)put);
}

/* Takes one descriptor: into fds[*count], or closed where there is no room. */
static int keep(int fd, int *fds, int room, int *count) {
  if (*count >= room) {
    mp_fd_close(fd);
    return -EMSGSIZE;
  }
  fd = mp_fd_lift(fd);
  if (fd < 0)
    return fd;
  fds[(*count)++] = fd;
  return 0;
}

static int keep_all(struct msghdr *m, int *fds, int room, int *count) {
  int rc = m->msg_flags & MSG_CTRUNC ? -EMSGSIZE : 0;
  for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h != NULL; h = CMSG_NXTHDR(m, h)) {
    if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
      continue;
    size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < n; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(h) + i * sizeof fd, sizeof fd);
      int one = keep(fd, fds, room, count);
      rc = rc < 0 ? rc : one;
    }
  }
  return rc;
}

ssize_t mp_fd_recv(int sock, void *p, size_t n, int *fds, int *nfds) {
  union control c;
  struct iovec iov = {.iov_base = p, .iov_len = n};
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
  m.msg_control = c.room;
  m.msg_controllen = sizeof c.room;
  ssize_t got = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
  if (got < 0)
    return -errno;
  int count = 0;
  int rc = keep_all(&m, fds, nfds ? *nfds : 0, &count);
  if (rc < 0) {
    while (count > 0)
      mp_fd_close(fds[--count]);
    return rc;
  }
  if (nfds)
    *nfds = count;
  return got;
}
