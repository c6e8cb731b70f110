/*
** listener.h: who wants to talk to us, and calling others
** MIT licence, see LICENSE
**
** All handshakes that are under way are served at once: a peer that is silent
** or talks rubbish takes one of MP_PENDING places for MP_HANDSHAKE at most, and
** when all are taken the one that is oldest makes room.
*/

#ifndef MP_CHAN_LISTENER_H
#define MP_CHAN_LISTENER_H

#include <stdint.h>
#include <sys/types.h>

#include "chan/auth.h"
#include "os/address.h"
#include "os/clock.h"

enum { MP_PENDING = 64 };
#define MP_HANDSHAKE (5 * MP_SECOND)

struct mp_listener {
  int fd; /* -1: closed */
  int ep; /* for fileno: all of its sockets; 0: not asked for yet */
  int tcp;
  struct mp_terms terms;
  char address[300]; /* the port filled in */
  struct mp_file_id file;
  pid_t pid;         /* who made it: a forked child removes nothing */
  struct mp_peer peer[MP_PENDING];
};

/* l->terms is set, the rest is zero.  0 or a negative code. */
int mp_listener_open(struct mp_listener *l, const char *address, int backlog);
void mp_listener_close(struct mp_listener *l); /* idempotent */

/*
** Waits for a peer that has passed the handshake: *out with its fd, name and
** whether code may pass.  0; -ETIMEDOUT; -EINTR; MP_EAUTH: one was refused
** (the listener goes on at the next call); a negative errno.
*/
int mp_listener_accept(struct mp_listener *l, int64_t deadline,
                       struct mp_peer *out);

/* A descriptor that is readable when accept has something to do: a new peer,
** or a line of one under way.  The fd, or a negative errno. */
int mp_listener_fileno(struct mp_listener *l);

/* Connects and shakes hands.  Codes as accept's; the fd is closed after one. */
int mp_client_connect(const char *address, const struct mp_terms *t,
                      int64_t deadline, struct mp_peer *out);

#endif
