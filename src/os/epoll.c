/*
** epoll.c: one descriptor that is readable while any of several is ready
** MIT licence, see LICENSE
*/

#include "os/epoll.h"

#include <errno.h>
#include <sys/epoll.h>

#include "os/fd.h"

int mp_epoll_open(void) {
  int ep = epoll_create1(EPOLL_CLOEXEC);
  if (ep < 0)
    ep = -errno;
  return mp_fd_lift(ep);
}

int mp_epoll_add(int ep, int fd, int always) {
  struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
  if (always)
    e.events |= EPOLLOUT;
  return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

void mp_epoll_remove(int ep, int fd) {
  epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL);
}
