/*
** epoll.h: one descriptor that is readable while any of several is ready
** MIT licence, see LICENSE
*/

#ifndef MP_OS_EPOLL_H
#define MP_OS_EPOLL_H

int mp_epoll_open(void); /* CLOEXEC, > 2; negative errno */

/* Level-triggered.  `always`: also while fd can be written to. */
int mp_epoll_add(int ep, int fd, int always);
void mp_epoll_remove(int ep, int fd); /* close(2) does it, too */

#endif
