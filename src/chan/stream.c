/*
** stream.c: whole messages over a byte stream
** MIT licence, see LICENSE
*/

#include "chan/stream.h"

#include <errno.h>
#include <string.h>

#include "base/code.h"
#include "os/address.h"
#include "os/fd.h"
#include "os/poll.h"

enum {
  HEAD = 8,            /* bytes of a length */
  STEP = 256 * 1024,   /* memory grows by this much at least */
  KEEP = 1024 * 1024,  /* larger buffers are given back after use */
  LOOK = 4096          /* bytes of a line looked at in one go */
};

void mp_stream_open(struct mp_stream *s, int fd, int lines, uint64_t limit) {
  memset(s, 0, sizeof(*s));
  s->fd = fd;
  s->lines = lines;
  s->limit = limit;
  mp_fd_set_nonblock(fd, 1);
}

void mp_stream_close(struct mp_stream *s) {
  if (s->fd >= 0)
    mp_fd_close(s->fd);
  s->fd = -1;
  mp_buf_fini(&s->in);
  mp_buf_fini(&s->out);
  s->sent = 0;
}

static void empty(struct mp_buf *b) {
  b->len = 0;
  if (b->cap > KEEP)
    mp_buf_fini(b);
}

/* The other end has gone, or its machine: then the kernel's own patience is
** at its end, not ours. */
static int is_gone(ssize_t rc_io) {
  return rc_io == -EPIPE || rc_io == -ECONNRESET || rc_io == -ETIMEDOUT ||
         rc_io == -EHOSTUNREACH || rc_io == -ENETUNREACH;
}

/* Waits after a call that would have blocked; other errors end it. */
static int wait_or(int fd, short events, int64_t deadline, ssize_t rc_io) {
  if (is_gone(rc_io))
    return MP_EEOF;
  if (rc_io != -EAGAIN)
    return (int)rc_io;
  int rc = mp_poll_one(fd, events, deadline);
  if (rc < 0)
    return rc;
  return rc == 0 ? -ETIMEDOUT : 0;
}

/* --- sending -------------------------------------------------------------- */

static void put_length(unsigned char *p, uint64_t n) {
  for (int i = 0; i < HEAD; i++)
    p[i] = (unsigned char)(n >> (8 * i));
}

int mp_stream_ready(struct mp_stream *s, uint64_t size,
                    unsigned char **room) {
  if (s->out.len > 0)
    return -EBUSY;
  if (size > s->limit)
    return -EMSGSIZE;
  int rc = mp_buf_reserve(&s->out, (size_t)size + HEAD);
  if (rc < 0)
    return rc;
  *room = s->out.data + (s->lines ? 0 : HEAD);
  s->out.len = (size_t)size + (s->lines ? 1 : HEAD);
  if (s->lines)
    s->out.data[size] = '\n';
  else
    put_length(s->out.data, size);
  s->sent = 0;
  return 0;
}

int mp_stream_flush(struct mp_stream *s, int64_t deadline) {
  while (s->sent < s->out.len) {
    ssize_t n = mp_sock_send(s->fd, s->out.data + s->sent,
                             s->out.len - s->sent);
    int rc = n < 0 ? wait_or(s->fd, POLLOUT, deadline, n) : 0;
    if (rc < 0)
      return rc;
    s->sent += n > 0 ? (size_t)n : 0;
  }
  empty(&s->out);
  return 0;
}

/* --- receiving ------------------------------------------------------------ */

/* Reads until `want` bytes are there; memory grows as they come. */
static int fill(struct mp_stream *s, size_t want, int64_t deadline) {
  while (s->in.len < want) {
    size_t more = want - s->in.len;
    if (more > STEP && more > s->in.len)
      more = s->in.len > STEP ? s->in.len : STEP;
    int rc = mp_buf_reserve(&s->in, more);
    if (rc < 0)
      return rc;
    ssize_t n = mp_sock_recv(s->fd, s->in.data + s->in.len, more, 0);
    if (n == 0)
      return MP_EEOF;
    rc = n < 0 ? wait_or(s->fd, POLLIN, deadline, n) : 0;
    if (rc < 0)
      return rc;
    s->in.len += n > 0 ? (size_t)n : 0;
  }
  return 0;
}

static uint64_t get_length(const unsigned char *p) {
  uint64_t n = 0;
  for (int i = 0; i < HEAD; i++)
    n |= (uint64_t)p[i] << (8 * i);
  return n;
}

static int recv_frame(struct mp_stream *s, int64_t deadline,
                      uint64_t *size) {
  int rc = fill(s, HEAD, deadline);
  if (rc < 0)
    return rc;
  *size = get_length(s->in.data);
  if (*size > s->limit)
    return -EMSGSIZE;
  return fill(s, HEAD + (size_t)*size, deadline);
}

/* Appends what there is of the line.  1: it is whole. */
static int more_of_line(struct mp_stream *s, int64_t deadline) {
  if (s->in.len > s->limit)
    return -EMSGSIZE;
  int rc = mp_buf_reserve(&s->in, LOOK);
  if (rc < 0)
    return rc;
  unsigned char *at = s->in.data + s->in.len;
  ssize_t n = mp_sock_recv(s->fd, at, LOOK, 1);
  if (n == 0)
    return MP_EEOF;
  if (n < 0)
    return wait_or(s->fd, POLLIN, deadline, n);
  const unsigned char *end = memchr(at, '\n', (size_t)n);
  if (end != NULL)
    n = end + 1 - at;
  n = mp_sock_recv(s->fd, at, (size_t)n, 0);
  s->in.len += n > 0 ? (size_t)n : 0;
  return end != NULL;
}

static int recv_line(struct mp_stream *s, int64_t deadline, uint64_t *size) {
  int rc;
  do
    rc = more_of_line(s, deadline);
  while (rc == 0);
  if (rc < 0)
    return rc;
  *size = s->in.len - 1;
  return 0;
}

int mp_stream_recv(struct mp_stream *s, int64_t deadline, const void **data,
                   uint64_t *size) {
  int rc = s->lines ? recv_line(s, deadline, size)
                    : recv_frame(s, deadline, size);
  if (rc < 0)
    return rc;
  *data = s->in.data + (s->lines ? 0 : HEAD);
  return 0;
}

void mp_stream_done(struct mp_stream *s) {
  empty(&s->in);
}

int mp_stream_poll(struct mp_stream *s, int64_t deadline) {
  return mp_poll_one(s->fd, POLLIN, deadline);
}

/* --- lines of a handshake ------------------------------------------------- */

int mp_line_recv(int fd, char *line, size_t room, size_t *have) {
  char *at = line + *have;
  ssize_t n = mp_sock_recv(fd, at, room - *have, 1);
  if (n == -EAGAIN)
    return 0;
  if (n <= 0)
    return MP_EEOF;
  const char *end = memchr(at, '\n', (size_t)n);
  if (end != NULL)
    n = end + 1 - at;
  n = mp_sock_recv(fd, at, (size_t)n, 0);
  if (n <= 0)
    return MP_EEOF;
  *have += (size_t)n;
  if (end != NULL)
    return (int)*have;
  return *have == room ? MP_ECORRUPT : 0;
}
