/*
** fd.h: file descriptors; EINTR, CLOEXEC and short transfers live here
** MIT licence, see LICENSE
**
** Every descriptor made here is CLOEXEC and greater than 2, also in a process
** whose standard streams are closed.  All return >= 0 or a negative errno.
*/

#ifndef MP_OS_FD_H
#define MP_OS_FD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Moves fd above 2 if need be, sets CLOEXEC; the old number is closed.
** fd < 0 is passed through, so it can wrap a call. */
int mp_fd_lift(int fd);

int mp_fd_copy(int fd);  /* another number for the same */
int mp_fd_close(int fd); /* once: EINTR counts as closed */
int mp_fd_pipe(int out[2]);
int mp_fd_socketpair(int type, int out[2]); /* AF_UNIX, SOCK_STREAM or so */
int mp_fd_eventfd(void);                    /* nonblocking */
int mp_fd_set_nonblock(int fd, int on);
int mp_fd_set_cloexec(int fd, int on);

ssize_t mp_fd_read(int fd, void *p, size_t n);        /* one read(2) */
ssize_t mp_fd_write(int fd, const void *p, size_t n); /* one write(2) */

/* All n bytes; MP_EEOF when the peer ended before that (after 0 bytes or in
** the middle).  Retries EINTR: for short, bounded transfers only. */
int mp_fd_read_all(int fd, void *p, size_t n);
int mp_fd_write_all(int fd, const void *p, size_t n);

/* Sends one message of bytes with descriptors beside it (SCM_RIGHTS). */
int mp_fd_send(int sock, const void *p, size_t n, const int *fds, int nfds);
/* Receives one; *nfds is room on entry, number received on return; the
** descriptors are CLOEXEC; those without room are closed (-EMSGSIZE).
** Returns the number of bytes, 0 at end of file. */
ssize_t mp_fd_recv(int sock, void *p, size_t n, int *fds, int *nfds);

#endif
