/*
** poll.h: waiting for descriptors
** MIT licence, see LICENSE
*/

#ifndef MP_OS_POLL_H
#define MP_OS_POLL_H

#include <poll.h>
#include <stdint.h>

/* poll(2) until an absolute deadline.  The number ready, 0 on timeout,
** -EINTR when a signal handler ran. */
int mp_poll(struct pollfd *fds, int n, int64_t deadline);

/* Is this one ready for `events` by the deadline?  1, 0, negative errno. */
int mp_poll_one(int fd, short events, int64_t deadline);

#endif
