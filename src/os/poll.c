/*
** poll.c: waiting for descriptors
** MIT licence, see LICENSE
*/

#include "os/poll.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>

#include "os/clock.h"

static struct timespec left_until(int64_t deadline) {
  int64_t left = deadline > 0 ? deadline - mp_now() : 0;
  if (left < 0)
    left = 0;
  return (struct timespec){.tv_sec = (time_t)(left / MP_SECOND),
                           .tv_nsec = (long)(left % MP_SECOND)};
}

int mp_poll(struct pollfd *fds, int n, int64_t deadline) {
  struct timespec left = {0, 0};
  if (deadline != MP_FOREVER)
    left = left_until(deadline);
  int rc = ppoll(fds, (nfds_t)n, deadline == MP_FOREVER ? NULL : &left, NULL);
  return rc < 0 ? -errno : rc;
}

int mp_poll_one(int fd, short events, int64_t deadline) {
  struct pollfd p = {.fd = fd, .events = events, .revents = 0};
  return mp_poll(&p, 1, deadline);
}
