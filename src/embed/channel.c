/*
** channel.c: a host's sockets: as connections of Lua's, and the C end of them
** MIT licence, see LICENSE
*/

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chan/stream.h"
#include "codec/codec.h"
#include "bind/socket.h"
#include "embed/error.h"
#include "embed/values.h"
#include "os/address.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/poll.h"

static const uint64_t LIMIT = UINT64_C(256) << 20; /* a Listener's default */

/* --- Lua's end ------------------------------------------------------------ */

struct push {
  int fd;
  int code;
};

/* (push) -> connection */
static int push_connection(lua_State *L) {
  const struct push *p = lua_touserdata(L, 1);
  return mp_socket_push(L, p->fd, p->code, LIMIT);
}

int mplua_push_connection(lua_State *L, int fd, unsigned flags,
                          struct mplua_error *e) {
  struct push p = {fd, (flags & MPLUA_CONNECTION_CODE) != 0};
  int rc = mp_sock_is_stream(fd);
  if (rc >= 0 && (flags & MPLUA_CONNECTION_COPY))
    rc = p.fd = mp_fd_copy(fd);
  if (rc >= 0 && !lua_checkstack(L, 4))
    rc = -ENOMEM;
  if (rc < 0)
    return mp_fail_code(e, rc, "cannot make a connection");
  lua_pushcfunction(L, push_connection);
  lua_pushlightuserdata(L, &p);
  int status = lua_pcall(L, 1, 1, 0);
  if (status == LUA_OK)
    return 0;
  if (p.fd != fd)
    mp_fd_close(p.fd);
  return mp_fail_lua(L, status, e);
}

/* --- the C end ------------------------------------------------------------ */

struct mplua_channel {
  struct mp_stream stream;
};

int mplua_channel_open(mplua_channel **out, int fd) {
  int rc = mp_sock_is_stream(fd);
  if (rc < 0)
    return rc;
  mplua_channel *c = malloc(sizeof *c);
  if (c == NULL)
    return -ENOMEM;
  mp_stream_open(&c->stream, fd, 0, LIMIT);
  *out = c;
  return 0;
}

void mplua_channel_free(mplua_channel *c) {
  if (c == NULL)
    return;
  mp_stream_close(&c->stream);
  free(c);
}

void mplua_channel_limit(mplua_channel *c, size_t bytes) {
  c->stream.limit = bytes;
}

int mplua_channel_fileno(const mplua_channel *c) {
  return c->stream.fd;
}

static int64_t deadline_of(double timeout) {
  return timeout < 0 ? MP_FOREVER : mp_deadline_in(timeout);
}

static int flush(mplua_channel *c, int64_t deadline) {
  int rc;
  do
    rc = mp_stream_flush(&c->stream, deadline);
  while (rc == -EINTR);
  return rc;
}

int mplua_channel_send_bytes(mplua_channel *c, const void *p, size_t size,
                             double timeout) {
  unsigned char *room;
  int64_t deadline = deadline_of(timeout);
  int rc = flush(c, deadline); /* what a timeout has left */
  if (rc >= 0)
    rc = mp_stream_ready(&c->stream, size, &room);
  if (rc < 0)
    return rc == -EMSGSIZE ? MPLUA_ETOOLONG : rc;
  if (size > 0)
    memcpy(room, p, size);
  rc = flush(c, deadline);
  return rc == -ETIMEDOUT ? 1 : rc;
}

int mplua_channel_send(mplua_channel *c, const mplua_values *v, int i,
                       double timeout) {
  static const struct mp_codec_opts data = {0};
  struct mp_buf b;
  int n = lua_gettop(v->L);
  i = i < 0 ? n + 1 + i : i;
  if (i < 1 || i > n)
    return MPLUA_ETYPE;
  mp_buf_init(&b);
  int rc = mp_values_encode_from(v->L, i, 1, &data, &b, NULL);
  if (rc >= 0)
    rc = mplua_channel_send_bytes(c, b.data, b.len, timeout);
  mp_buf_fini(&b);
  return rc;
}

int mplua_channel_flush(mplua_channel *c, double timeout) {
  return flush(c, deadline_of(timeout));
}

static int receive(mplua_channel *c, const void **data, uint64_t *size,
                   double timeout) {
  int64_t deadline = deadline_of(timeout);
  int rc;
  do
    rc = mp_stream_recv(&c->stream, deadline, data, size);
  while (rc == -EINTR);
  return rc == -EMSGSIZE ? MPLUA_ETOOLONG : rc;
}

int mplua_channel_recv_bytes(mplua_channel *c, mplua_values *v,
                             double timeout) {
  const void *data;
  uint64_t size;
  int rc = receive(c, &data, &size, timeout);
  if (rc < 0)
    return rc;
  rc = mplua_push_bytes(v, data, (size_t)size);
  if (rc >= 0)
    mp_stream_done(&c->stream); /* else it can be received again */
  return rc;
}

int mplua_channel_recv(mplua_channel *c, mplua_values *v, double timeout) {
  const void *data;
  uint64_t size;
  int rc = receive(c, &data, &size, timeout);
  if (rc < 0)
    return rc;
  rc = mp_values_decode(v, data, (size_t)size);
  if (rc != -ENOMEM)
    mp_stream_done(&c->stream);
  return rc < 0 ? rc : 0;
}
