/*
** l_listener.c: listeners, clients and their connections as Lua sees them
** MIT licence, see LICENSE
**
** Two classes.  A Listener's policy (options, addresses, formats) is in
** listener.lua; a SocketConnection has the methods of a pipe's end.  What comes
** from a socket is data: code passes only where both sides agreed to it, and
** shared objects never.
*/

#include "bind/modules.h"

#include <errno.h>
#include <string.h>

#include "base/code.h"
#include "bind/core.h"
#include "bind/message.h"
#include "bind/socket.h"
#include "chan/listener.h"
#include "chan/stream.h"
#include "codec/codec.h"
#include "os/address.h"
#include "os/clock.h"
#include "os/fd.h"

static const char LISTENER[] = "multiprocessing.core.Listener";
static const char CONNECTION[] = "multiprocessing.SocketConnection";

struct connection {
  struct mp_stream stream;
  int code; /* may pass */
};

static int raise(lua_State *L, int code, const char *what) {
  switch (code) {
  case MP_EEOF:
    return mp_raise(L, "EOFError", "%s: the other end is closed", what);
  case MP_EAUTH:
    return mp_raise(L, "AuthenticationError",
                    "%s: the key is wrong or missing on one side", what);
  case -EMSGSIZE:
    return mp_raise(L, "ProcessError",
                    "%s: the message is longer than the limit", what);
  case MP_ECORRUPT:
    return mp_raise(L, "ProcessError",
                    "%s: the other end does not speak this protocol", what);
  case -ETIMEDOUT:
    return mp_raise(L, "TimeoutError", "%s: nobody came in time", what);
  default:
    return mp_raise_code(L, code, what);
  }
}

/* --- connections ---------------------------------------------------------- */

/* Made closed, then opened. */
static struct connection *new_connection(lua_State *L) {
  struct connection *c = lua_newuserdatauv(L, sizeof(*c), 0);
  memset(c, 0, sizeof(*c));
  c->stream.fd = -1;
  luaL_setmetatable(L, CONNECTION);
  return c;
}

static struct connection *check(lua_State *L) {
  struct connection *c = luaL_checkudata(L, 1, CONNECTION);
  if (c->stream.fd < 0)
    mp_raise(L, "ClosedError", "this connection is closed");
  return c;
}

static int connection_close(lua_State *L) {
  struct connection *c = luaL_checkudata(L, 1, CONNECTION);
  mp_stream_close(&c->stream);
  return 0;
}

/* What an interrupted call left is sent first. */
static void flush(lua_State *L, struct connection *c, const char *what) {
  int rc;
  do
    rc = mp_stream_flush(&c->stream, MP_FOREVER);
  while (rc == -EINTR && mp_interrupt_check(L));
  if (rc < 0)
    raise(L, rc, what);
}

static unsigned char *ready(lua_State *L, struct connection *c, uint64_t size,
                            const char *what) {
  unsigned char *room = NULL;
  flush(L, c, what);
  int rc = mp_stream_ready(&c->stream, size, &room);
  if (rc < 0)
    raise(L, rc, what);
  return room;
}

static int connection_send(lua_State *L) {
  struct connection *c = check(L);
  struct mp_codec_opts opts = {.flags = c->code ? MP_CODEC_CODE : 0};
  luaL_checkany(L, 2);
  struct mp_encoded *e = mp_encode(L, 2, 1, &opts);
  unsigned char *room = ready(L, c, mp_encoded_size(e), "Connection:send");
  mp_encoded_copy(e, room);
  mp_encoded_done(L, e);
  flush(L, c, "Connection:send");
  return 0;
}

/* A place as string.sub counts it, not yet clamped. */
static lua_Integer place(lua_Integer i, size_t len) {
  if (i >= 0)
    return i;
  return -i > (lua_Integer)len ? 0 : (lua_Integer)len + i + 1;
}

static int connection_send_bytes(lua_State *L) {
  struct connection *c = check(L);
  size_t len;
  const char *s = luaL_checklstring(L, 2, &len);
  lua_Integer first = place(luaL_optinteger(L, 3, 1), len);
  lua_Integer last = place(luaL_optinteger(L, 4, -1), len);
  if (first < 1)
    first = 1;
  if (last > (lua_Integer)len)
    last = (lua_Integer)len;
  size_t n = first <= last ? (size_t)(last - first) + 1 : 0;
  unsigned char *room = ready(L, c, n, "Connection:send_bytes");
  if (n > 0)
    memcpy(room, s + first - 1, n);
  flush(L, c, "Connection:send_bytes");
  return 0;
}

/* After the first error the stream has lost its place. */
static void receive(lua_State *L, struct connection *c, const void **data,
                    uint64_t *size, const char *what) {
  int rc;
  do
    rc = mp_stream_recv(&c->stream, MP_FOREVER, data, size);
  while (rc == -EINTR && mp_interrupt_check(L));
  if (rc == -EMSGSIZE)
    mp_stream_close(&c->stream);
  if (rc < 0)
    raise(L, rc, what);
}

/* Pushes the message's value: 1.  Who talks rubbish once is not heard again. */
static int decode(lua_State *L, struct connection *c, const void *data,
                  uint64_t size) {
  struct mp_codec_opts opts = {.flags = c->code ? MP_CODEC_CODE : 0,
                               .limit = c->stream.limit};
  int top = lua_gettop(L);
  int rc = mp_decode(L, data, (size_t)size, &opts);
  mp_stream_done(&c->stream);
  lua_settop(L, top + 1);
  if (rc < 0)
    mp_stream_close(&c->stream);
  return rc < 0 ? lua_error(L) : 1;
}

static int connection_recv(lua_State *L) {
  struct connection *c = check(L);
  const void *data;
  uint64_t size;
  receive(L, c, &data, &size, "Connection:recv");
  return decode(L, c, data, size);
}

/* --- for a server, which waits for nobody --- */

/* try_flush() -> boolean */
static int connection_try_flush(lua_State *L) {
  struct connection *c = check(L);
  int rc = mp_stream_flush(&c->stream, 0);
  if (rc < 0 && rc != -ETIMEDOUT && rc != -EINTR)
    return raise(L, rc, "a server's answer");
  lua_pushboolean(L, rc == 0);
  return 1;
}

/* try_send(v) -> boolean: is all of it on its way?  Else try_flush. */
static int connection_try_send(lua_State *L) {
  struct connection *c = check(L);
  struct mp_codec_opts opts = {.flags = c->code ? MP_CODEC_CODE : 0};
  unsigned char *room = NULL;
  struct mp_encoded *e = mp_encode(L, 2, 1, &opts);
  int rc = mp_stream_ready(&c->stream, mp_encoded_size(e), &room);
  if (rc < 0)
    return raise(L, rc, "a server's answer");
  mp_encoded_copy(e, room);
  mp_encoded_done(L, e);
  return connection_try_flush(L);
}

/* try_recv() -> true, v; false when it is not there, or not whole yet */
static int connection_try_recv(lua_State *L) {
  struct connection *c = check(L);
  const void *data;
  uint64_t size;
  int rc = mp_stream_recv(&c->stream, 0, &data, &size);
  lua_pushboolean(L, rc == 0);
  if (rc == -ETIMEDOUT || rc == -EINTR)
    return 1;
  if (rc < 0)
    return raise(L, rc, "a client's request");
  return 1 + decode(L, c, data, size);
}

static int connection_recv_bytes(lua_State *L) {
  struct connection *c = check(L);
  lua_Integer max = luaL_optinteger(L, 2, LUA_MAXINTEGER);
  const void *data;
  uint64_t size;
  luaL_argcheck(L, max >= 0, 2, "a length of 0 or more expected");
  receive(L, c, &data, &size, "Connection:recv_bytes");
  lua_pushlstring(L, data, (size_t)size); /* the stream's memory is its own */
  mp_stream_done(&c->stream);
  if (size <= (uint64_t)max)
    return 1;
  lua_pushfstring(L, "Connection:recv_bytes: a message of %I bytes, at most "
                     "%I were wanted (it is the error's value)",
                  (LUAI_UACINT)size, (LUAI_UACINT)max);
  return mp_raise_value(L, "BufferTooShort");
}

static int connection_poll(lua_State *L) {
  struct connection *c = check(L);
  int64_t deadline = lua_isnoneornil(L, 2) ? 0 : mp_opt_deadline(L, 2);
  int rc;
  do
    rc = mp_stream_poll(&c->stream, deadline);
  while (rc == -EINTR && mp_interrupt_check(L));
  if (rc < 0)
    raise(L, rc, "Connection:poll");
  lua_pushboolean(L, rc);
  return 1;
}

static int connection_fileno(lua_State *L) {
  lua_pushinteger(L, check(L)->stream.fd);
  return 1;
}

/* upvalue 1: the methods */
static int connection_index(lua_State *L) {
  const struct connection *c = luaL_checkudata(L, 1, CONNECTION);
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
    return 1;
  if (strcmp(key, "closed") == 0)
    lua_pushboolean(L, c->stream.fd < 0);
  else if (strcmp(key, "readable") == 0 || strcmp(key, "writable") == 0)
    lua_pushboolean(L, c->stream.fd >= 0);
  return 1;
}

static void require(lua_State *L, const char *name) {
  lua_getglobal(L, "require");
  lua_pushstring(L, name);
  lua_call(L, 1, 0);
}

int mp_socket_push(lua_State *L, int fd, int code, uint64_t limit) {
  require(L, "multiprocessing.core.listener"); /* the metatable */
  require(L, "multiprocessing.core.codec");    /* errors of its own */
  struct connection *c = new_connection(L);
  mp_stream_open(&c->stream, fd, 0, limit);
  c->code = code;
  return 1;
}

/* --- listeners ------------------------------------------------------------ */

/* {authkey = , json = , code = } at arg */
static void get_terms(lua_State *L, int arg, struct mp_terms *t) {
  size_t n;
  memset(t, 0, sizeof(*t));
  luaL_checktype(L, arg, LUA_TTABLE);
  lua_getfield(L, arg, "json");
  lua_getfield(L, arg, "code");
  lua_getfield(L, arg, "authkey");
  t->json = lua_toboolean(L, -3);
  t->code = lua_toboolean(L, -2);
  const char *key = lua_tolstring(L, -1, &n);
  int rc = key != NULL ? mp_terms_set_key(t, key, n) : 0;
  lua_pop(L, 3);
  if (rc < 0)
    mp_raise_code(L, rc, "cannot use the key");
}

static uint64_t get_limit(lua_State *L, int arg) {
  lua_getfield(L, arg, "limit");
  lua_Integer limit = luaL_checkinteger(L, -1);
  lua_pop(L, 1);
  return limit > 0 ? (uint64_t)limit : 0;
}

static struct mp_listener *check_listener(lua_State *L) {
  struct mp_listener *l = luaL_checkudata(L, 1, LISTENER);
  if (l->fd < 0)
    mp_raise(L, "ClosedError", "this listener is closed");
  return l;
}

/* core.listen(address, backlog, terms) -> listener, address */
static int listener_new(lua_State *L) {
  const char *address = luaL_checkstring(L, 1);
  int backlog = (int)luaL_checkinteger(L, 2);
  struct mp_listener *l = lua_newuserdatauv(L, sizeof(*l), 0);
  memset(l, 0, sizeof(*l));
  l->fd = -1;
  luaL_setmetatable(L, LISTENER);
  get_terms(L, 3, &l->terms);
  int rc = mp_listener_open(l, address, backlog);
  if (rc < 0)
    return raise(L, rc, lua_pushfstring(L, "cannot listen on %s", address));
  lua_pushstring(L, l->address);
  return 2;
}

/* Gives the connection its socket. */
static void open_connection(struct connection *c, const struct mp_peer *p,
                            const struct mp_terms *t, uint64_t limit) {
  mp_stream_open(&c->stream, p->fd, t->json, limit);
  c->code = p->code;
}

/* listener:accept(timeout, terms) -> connection, name of the peer */
static int listener_accept(lua_State *L) {
  struct mp_listener *l = check_listener(L);
  int64_t deadline = mp_opt_deadline(L, 2);
  uint64_t limit = get_limit(L, 3);
  struct connection *c = new_connection(L);
  struct mp_peer p;
  int rc;
  do
    rc = mp_listener_accept(l, deadline, &p);
  while (rc == -EINTR && mp_interrupt_check(L));
  if (rc < 0)
    return raise(L, rc, "Listener:accept");
  open_connection(c, &p, &l->terms, limit);
  lua_pushstring(L, p.name[0] != '\0' ? p.name : l->address);
  return 2;
}

static int listener_fileno(lua_State *L) {
  int fd = mp_listener_fileno(check_listener(L));
  if (fd < 0)
    return raise(L, fd, "Listener:fileno");
  lua_pushinteger(L, fd);
  return 1;
}

static int listener_close(lua_State *L) {
  mp_listener_close(luaL_checkudata(L, 1, LISTENER));
  return 0;
}

/* core.connect(address, terms, timeout) -> connection */
static int client_connect(lua_State *L) {
  const char *address = luaL_checkstring(L, 1);
  struct mp_terms t;
  get_terms(L, 2, &t);
  uint64_t limit = get_limit(L, 2);
  int64_t deadline = mp_opt_deadline(L, 3);
  struct connection *c = new_connection(L);
  struct mp_peer p;
  int rc;
  do
    rc = mp_client_connect(address, &t, deadline, &p);
  while (rc == -EINTR && mp_interrupt_check(L));
  if (rc < 0)
    return raise(L, rc, lua_pushfstring(L, "cannot connect to %s", address));
  p.code = p.code && t.code && !mp_address_is_tcp(address);
  open_connection(c, &p, &t, limit);
  return 1;
}

/* core.is_tcp(address) */
static int listener_is_tcp(lua_State *L) {
  lua_pushboolean(L, mp_address_is_tcp(luaL_checkstring(L, 1)));
  return 1;
}

/* --- module --------------------------------------------------------------- */

static const luaL_Reg connection_methods[] = {
    {"send", connection_send},
    {"recv", connection_recv},
    {"send_bytes", connection_send_bytes},
    {"recv_bytes", connection_recv_bytes},
    {"poll", connection_poll},
    {"_try_send", connection_try_send},
    {"_try_flush", connection_try_flush},
    {"_try_recv", connection_try_recv},
    {"fileno", connection_fileno},
    {"close", connection_close},
    {NULL, NULL},
};

static const luaL_Reg connection_meta[] = {
    {"__gc", connection_close},
    {"__close", connection_close},
    {NULL, NULL},
};

static const luaL_Reg listener_methods[] = {
    {"accept", listener_accept},
    {"fileno", listener_fileno},
    {"close", listener_close},
    {"__gc", listener_close},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"listen", listener_new},
    {"connect", client_connect},
    {"is_tcp", listener_is_tcp},
    {NULL, NULL},
};

int mp_open_listener(lua_State *L) {
  luaL_newmetatable(L, CONNECTION);
  luaL_setfuncs(L, connection_meta, 0);
  luaL_newlib(L, connection_methods);
  lua_pushcclosure(L, connection_index, 1);
  lua_setfield(L, -2, "__index");
  luaL_newmetatable(L, LISTENER);
  luaL_setfuncs(L, listener_methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  return 1;
}
