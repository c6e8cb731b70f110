/*
** address.h: where a listener is: "host:port", or a path of the file system
** MIT licence, see LICENSE
*/

#ifndef MP_OS_ADDRESS_H
#define MP_OS_ADDRESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Is it "host:port"?  Anything with a slash or without a port is a path. */
int mp_address_is_tcp(const char *address);

/*
** A listening socket, nonblocking.  `bound` gets the address with the port
** filled in.  A path gets mode 0600; a socket file there on which nobody
** listens is replaced.  The fd; -EADDRINUSE; -ENAMETOOLONG; -EINVAL: no such
** host; a negative errno.
*/
int mp_address_listen(const char *address, int backlog, char *bound,
                      size_t room);

/* Starts to connect; the socket is nonblocking, writable when it is decided
** (mp_address_connected).  The fd, or as above. */
int mp_address_connect(const char *address);
int mp_address_connected(int fd); /* 0, or why not */

/* A connection, nonblocking; `peer` gets "host:port", or nothing for a path.
** -EAGAIN when there is none. */
int mp_address_accept(int fd, char *peer, size_t room);

/* Is the process at the other end of a path's socket one of this user? */
int mp_address_is_own_user(int fd);

/* Which file a path's socket is, so that nobody else's is removed. */
struct mp_file_id {
  uint64_t dev, ino; /* ino 0: none */
};
void mp_address_file(const char *path, struct mp_file_id *id);
void mp_address_remove(const char *path, const struct mp_file_id *id);

/* Without waiting.  The number of bytes; 0 at end of file (recv); -EAGAIN;
** -EPIPE or -ECONNRESET when the other end has gone; a negative errno.  peek:
** the bytes stay to be received. */
ssize_t mp_sock_send(int fd, const void *p, size_t n);
ssize_t mp_sock_recv(int fd, void *p, size_t n, int peek);

/* 0; -EPROTOTYPE: a socket of another type; -ENOTSOCK... */
int mp_sock_is_stream(int fd);

#endif
