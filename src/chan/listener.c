/*
** listener.c: who wants to talk to us, and calling others
** MIT licence, see LICENSE
*/

#include "chan/listener.h"

#include <errno.h>
#include <string.h>

#include "base/code.h"
#include "os/fd.h"
#include "os/poll.h"
#include "os/pollset.h"
#include "os/self.h"

/* --- life ----------------------------------------------------------------- */

int mp_listener_open(struct mp_listener *l, const char *address,
                     int backlog) {
  int fd = mp_address_listen(address, backlog, l->address,
                             sizeof(l->address));
  if (fd < 0)
    return fd;
  l->fd = fd;
  l->tcp = mp_address_is_tcp(address);
  l->pid = mp_self_pid();
  if (!l->tcp)
    mp_address_file(l->address, &l->file);
  return 0;
}

static void forget(struct mp_peer *p) {
  mp_fd_close(p->fd);
  p->state = MP_PEER_NONE;
}

void mp_listener_close(struct mp_listener *l) {
  if (l->fd < 0)
    return;
  if (l->pid == mp_self_pid())
    mp_address_remove(l->address, &l->file);
  mp_fd_close(l->fd);
  if (l->ep > 0)
    mp_fd_close(l->ep);
  l->fd = -1;
  l->ep = 0;
  for (int i = 0; i < MP_PENDING; i++)
    if (l->peer[i].state != MP_PEER_NONE)
      forget(&l->peer[i]);
}

/* One that needs no more handshake is ready as it is. */
static int show(const struct mp_listener *l, const struct mp_peer *p) {
  if (l->ep == 0 || p->state == MP_PEER_NONE)
    return 0;
  int rc = mp_pollset_add(l->ep, p->fd, 0);
  if (rc == 0 && p->state == MP_PEER_DONE) /* ready, whatever it sends */
    rc = mp_pollset_change(l->ep, p->fd, 0, 1, 1);
  return rc;
}

static int show_all(struct mp_listener *l) {
  int rc = mp_pollset_add(l->ep, l->fd, 0);
  for (int i = 0; rc == 0 && i < MP_PENDING; i++)
    rc = show(l, &l->peer[i]);
  return rc;
}

int mp_listener_fileno(struct mp_listener *l) {
  if (l->ep > 0)
    return l->ep;
  int ep = mp_pollset_open();
  if (ep < 0)
    return ep;
  l->ep = ep;
  int rc = show_all(l);
  if (rc < 0) {
    mp_fd_close(ep);
    l->ep = 0;
  }
  return rc < 0 ? rc : ep;
}

/* --- new ones ------------------------------------------------------------- */

/* A free place, or that of the one who has had most time. */
static struct mp_peer *place_for_one(struct mp_listener *l) {
  struct mp_peer *oldest = &l->peer[0];
  for (int i = 0; i < MP_PENDING; i++) {
    struct mp_peer *p = &l->peer[i];
    if (p->state == MP_PEER_NONE)
      return p;
    if (p->deadline < oldest->deadline)
      oldest = p;
  }
  forget(oldest);
  return oldest;
}

/* Other programs, without a key, need no handshake. */
static int is_plain(const struct mp_terms *t) {
  return t->json && !t->has_key;
}

static int begin(struct mp_listener *l, struct mp_peer *p, int fd) {
  if (!l->tcp && !mp_address_is_own_user(fd))
    return MP_EAUTH;
  if (!is_plain(&l->terms))
    return mp_peer_greet(p, &l->terms, fd, mp_now() + MP_HANDSHAKE);
  p->fd = fd;
  p->code = 0;
  p->out_len = p->out_sent = 0;
  p->state = MP_PEER_DONE;
  return 0;
}

/* 1: one more is in its place; 0: none is there; a negative errno. */
static int take_one(struct mp_listener *l) {
  char name[MP_PEER_NAME];
  int fd = mp_address_accept(l->fd, name, sizeof(name));
  if (fd == -EAGAIN)
    return 0;
  if (fd == -ECONNABORTED || fd == -EINTR)
    return 1;
  if (fd < 0)
    return fd;
  struct mp_peer *p = place_for_one(l);
  memcpy(p->name, name, sizeof(name));
  if (begin(l, p, fd) < 0 || show(l, p) < 0) {
    mp_fd_close(fd);
    p->state = MP_PEER_NONE;
  }
  return 1;
}

static int take_all(struct mp_listener *l) {
  int rc = 1;
  for (int i = 0; rc > 0 && i < MP_PENDING; i++)
    rc = take_one(l);
  return rc;
}

/* --- those under way ------------------------------------------------------ */

/* 1: *out has passed; MP_EAUTH: it was refused; 0: neither. */
static int step(struct mp_listener *l, struct mp_peer *p, int64_t now,
                struct mp_peer *out) {
  int rc = mp_peer_step(p, &l->terms);
  if (rc > 0) {
    *out = *p;
    p->state = MP_PEER_NONE;
    if (l->ep > 0)
      mp_pollset_remove(l->ep, out->fd);
    return 1;
  }
  if (rc < 0 || now >= p->deadline)
    forget(p);
  return rc == MP_EAUTH ? rc : 0;
}

static int step_all(struct mp_listener *l, struct mp_peer *out) {
  int64_t now = mp_now();
  int rc = 0;
  for (int i = 0; rc == 0 && i < MP_PENDING; i++)
    if (l->peer[i].state != MP_PEER_NONE)
      rc = step(l, &l->peer[i], now, out);
  return rc;
}

static int sleep_until(struct mp_listener *l, int64_t deadline) {
  struct pollfd fds[MP_PENDING + 1] = {{.fd = l->fd, .events = POLLIN}};
  int n = 1;
  int64_t at = deadline;
  for (int i = 0; i < MP_PENDING; i++) {
    const struct mp_peer *p = &l->peer[i];
    if (p->state == MP_PEER_NONE)
      continue;
    fds[n].fd = p->fd;
    fds[n].events = mp_peer_events(p);
    fds[n++].revents = 0;
    if (p->deadline < at)
      at = p->deadline;
  }
  int rc = mp_poll(fds, n, at);
  if (rc == 0 && at == deadline)
    return -ETIMEDOUT;
  return rc < 0 ? rc : 0;
}

int mp_listener_accept(struct mp_listener *l, int64_t deadline,
                       struct mp_peer *out) {
  for (;;) {
    int rc = take_all(l);
    int done = step_all(l, out);
    if (done != 0)
      return done > 0 ? 0 : done;
    if (rc >= 0)
      rc = sleep_until(l, deadline);
    if (rc < 0)
      return rc;
  }
}

/* --- the client ----------------------------------------------------------- */

/* A path's listener that has too many waiting says EAGAIN, at once. */
static int start(const char *address, int64_t deadline) {
  for (;;) {
    int fd = mp_address_connect(address);
    int64_t now = mp_now();
    if (fd != -EAGAIN)
      return fd;
    if (now >= deadline)
      return -ETIMEDOUT;
    int rc = mp_sleep_until(now + 5 * MP_MS);
    if (rc < 0)
      return rc;
  }
}

static int shake_hands(struct mp_peer *p, const struct mp_terms *t,
                       int64_t deadline) {
  for (;;) {
    int rc = mp_peer_step(p, t);
    if (rc != 0)
      return rc;
    rc = mp_poll_one(p->fd, mp_peer_events(p), deadline);
    if (rc <= 0)
      return rc < 0 ? rc : -ETIMEDOUT;
  }
}

static int wait_connected(int fd, int64_t deadline) {
  int rc = mp_poll_one(fd, POLLOUT, deadline);
  if (rc <= 0)
    return rc < 0 ? rc : -ETIMEDOUT;
  return mp_address_connected(fd);
}

int mp_client_connect(const char *address, const struct mp_terms *t,
                      int64_t deadline, struct mp_peer *out) {
  int fd = start(address, deadline);
  if (fd < 0)
    return fd;
  memset(out, 0, sizeof(*out));
  mp_peer_call(out, fd, deadline);
  int rc = is_plain(t) ? wait_connected(fd, deadline)
                       : shake_hands(out, t, deadline);
  if (rc >= 0 && !mp_address_is_tcp(address) && !mp_address_is_own_user(fd))
    rc = MP_EAUTH;
  if (rc < 0)
    mp_fd_close(fd);
  return rc < 0 ? rc : 0;
}
