/*
** bell.h: a descriptor that any process of the family can make readable
** MIT licence, see LICENSE
**
** Whoever waits in poll(2) can be told of a change in shared memory only by
** a descriptor, and the one who makes the change has none of the waiter's:
** descriptors are numbers of one process.  So a bell is a datagram socket
** under a name that the kernel chooses in the abstract namespace, and to ring
** it is to send one byte to that name.  Nothing is in the file system, the
** name goes with the socket, and no permission is needed (pidfd_getfd would
** need ptrace's, which siblings lack under Yama and containers refuse).
**
** A stranger who guesses the name can make the waiter look once more, no
** more than that.  In another network namespace a bell is not heard: waiters
** look by themselves now and then.
*/

#ifndef MP_OS_BELL_H
#define MP_OS_BELL_H

#include <stdint.h>

/* Zero before the first use.  Belongs to one process: a forked child's copy is
** closed in the child. */
struct mp_bell {
  int fd;        /* for poll; CLOEXEC, > 2 */
  uint32_t name; /* what others ring; 0: closed */
  struct mp_bell *next, **link; /* all of this process's bells */
};

int mp_bell_open(struct mp_bell *b); /* 0 or a negative errno */
void mp_bell_close(struct mp_bell *b); /* idempotent */
void mp_bell_drain(struct mp_bell *b); /* not readable any more */

/* Rings.  0, or -ECONNREFUSED when nobody has that bell any more. */
int mp_bell_ring(uint32_t name);

#endif
