/*
** pollset.c: many descriptors behind one
** MIT licence, see LICENSE
*/

#include "os/pollset.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "os/clock.h"
#include "os/fd.h"

enum { AT_ONCE = 16 };

static int lifted(int fd) {
  return fd < 0 ? -errno : mp_fd_lift(fd);
}

int mp_pollset_open(void) {
  return lifted(epoll_create1(EPOLL_CLOEXEC));
}

int mp_pollset_add(int set, int fd, uint32_t number) {
  struct epoll_event ev = {.events = EPOLLIN, .data.u32 = number};
  return epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

int mp_pollset_remove(int set, int fd) {
  return epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL) < 0 ? -errno : 0;
}

int mp_pollset_change(int set, int fd, uint32_t number, int in, int out) {
  struct epoll_event ev = {.data.u32 = number};
  if (in)
    ev.events |= EPOLLIN;
  if (out)
    ev.events |= EPOLLOUT;
  return epoll_ctl(set, EPOLL_CTL_MOD, fd, &ev) < 0 ? -errno : 0;
}

int mp_pollset_ready(int set, uint32_t *numbers, int room) {
  struct epoll_event ev[AT_ONCE];
  int n = epoll_wait(set, ev, room < AT_ONCE ? room : AT_ONCE, 0);
  if (n < 0)
    return errno == EINTR ? 0 : -errno;
  for (int i = 0; i < n; i++)
    numbers[i] = ev[i].data.u32;
  return n;
}

int mp_timer_open(void) {
  return lifted(
      timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
}

int mp_timer_set(int timer, int64_t deadline) {
  struct itimerspec when;
  memset(&when, 0, sizeof when); /* all zero: never */
  if (deadline != MP_FOREVER) {
    deadline = deadline < 1 ? 1 : deadline;
    when.it_value.tv_sec = (time_t)(deadline / MP_SECOND);
    when.it_value.tv_nsec = (long)(deadline % MP_SECOND);
  }
  if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL) < 0)
    return -errno;
  return 0;
}
