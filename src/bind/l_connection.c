/*
** l_connection.c: the ends of pipes as Lua sees them
** MIT licence, see LICENSE
**
** What the other end's processes do is told by the arena alone (pipe.h).  Who
** asks for fileno() gets a bell (os/bell.h) of this handle's own, which rings
** for every message from then on; it is made silent when the pipe is found
** empty.
*/

#include "bind/modules.h"

#include <errno.h>
#include <string.h>

#include "base/code.h"
#include "bind/core.h"
#include "bind/message.h"
#include "bind/object.h"
#include "bind/waiting.h"
#include "os/bell.h"
#include "os/clock.h"
#include "store/pipe.h"

struct connection {
  struct mp_handle handle;
  struct mp_bell bell;
};

static void connection_leave(struct mp_handle *h);

static const struct mp_kind kind = {.name = "multiprocessing.Connection",
                                    .type = MP_T_PIPE,
                                    .size = sizeof(struct connection),
                                    .leave = connection_leave};

static void connection_push(lua_State *L, mp_off off) {
  mp_handle_push(L, &kind, off);
}

static const struct mp_ref_type ref = {
    .id = MP_T_PIPE, .place = mp_handle_place, .push = connection_push};

/* --- the bell ------------------------------------------------------------- */

/* A forked child has the handle but no bell: its name is 0 there. */
static void connection_leave(struct mp_handle *h) {
  struct connection *c = (struct connection *)(void *)h;
  if (c->bell.name == 0)
    return;
  mp_pipe_unwatch(mp_arena_if_any(), h->body, c->bell.name);
  mp_bell_close(&c->bell);
}

/* Silent if nothing waits.  Looks first and last: what comes in between rings
** or is seen. */
static void set_bell(struct mp_arena *a, struct connection *c) {
  if (c->bell.name == 0 || mp_pipe_poll(a, c->handle.body, 0) != 0)
    return;
  mp_bell_drain(&c->bell);
  if (mp_pipe_poll(a, c->handle.body, 0) != 0)
    mp_bell_ring(c->bell.name);
}

/* --- arguments ------------------------------------------------------------ */

static struct connection *check(lua_State *L) {
  return (struct connection *)(void *)mp_handle_check(L, 1, &kind);
}

static struct connection *check_receiver(lua_State *L, const char *method) {
  struct connection *c = check(L);
  if (((struct mp_end *)c->handle.body)->in == 0)
    luaL_error(L, "bad self to '%s' (this end of the pipe only sends)",
               method);
  return c;
}

static struct mp_end *check_sender(lua_State *L, const char *method) {
  struct mp_end *e = check(L)->handle.body;
  if (e->out == 0)
    luaL_error(L, "bad self to '%s' (this end of the pipe only receives)",
               method);
  return e;
}

static int raise(lua_State *L, int code, const char *method) {
  if (code == MP_EEOF)
    return mp_raise(L, "EOFError",
                    "Connection:%s: the other end of the pipe is closed",
                    method);
  return mp_raise_code(L, code, lua_pushfstring(L, "Connection:%s", method));
}

/* connection.pipe(duplex) -> a, b */
static int connection_pipe(lua_State *L) {
  int duplex = lua_toboolean(L, 1);
  mp_pipe_setup();
  struct mp_handle *x = mp_handle_create(L, &kind, sizeof(struct mp_end));
  struct mp_handle *y = mp_handle_create(L, &kind, sizeof(struct mp_end));
  int rc = mp_pipe_connect(mp_arena_if_any(), x->off, y->off, duplex);
  if (rc < 0)
    return mp_raise_code(L, rc, "Pipe");
  return 2;
}

/* --- sending -------------------------------------------------------------- */

static int send_parcel(lua_State *L, struct mp_end *e,
                       const struct mp_parcel *p) {
  int rc;
  do
    rc = mp_pipe_send(mp_arena_if_any(), e, p, MP_FOREVER);
  while (rc == -EINTR && mp_interrupt_check(L));
  return rc;
}

static int connection_send(lua_State *L) {
  struct mp_end *e = check_sender(L, "send");
  struct mp_scalar scalar;
  struct mp_encoded *encoded = NULL;
  struct mp_parcel p;
  luaL_checkany(L, 2);
  if (!mp_message_scalar(L, 2, &scalar, &p))
    encoded = mp_message_encode(L, 2, &p);
  int rc = send_parcel(L, e, &p);
  if (encoded != NULL)
    mp_encoded_done(L, encoded);
  return rc < 0 ? raise(L, rc, "send") : 0;
}

struct bytes {
  const char *data;
  size_t size;
};

static void fill_bytes(const void *source, void *dst) {
  const struct bytes *b = source;
  memcpy(dst, b->data, b->size);
}

/* A place as string.sub counts it, not yet clamped. */
static lua_Integer place(lua_Integer i, size_t len) {
  if (i >= 0)
    return i;
  return -i > (lua_Integer)len ? 0 : (lua_Integer)len + i + 1;
}

static struct bytes check_bytes(lua_State *L) {
  struct bytes b;
  b.data = luaL_checklstring(L, 2, &b.size);
  lua_Integer first = place(luaL_optinteger(L, 3, 1), b.size);
  lua_Integer last = place(luaL_optinteger(L, 4, -1), b.size);
  if (first < 1)
    first = 1;
  if (last > (lua_Integer)b.size)
    last = (lua_Integer)b.size;
  b.data += first <= last ? first - 1 : 0;
  b.size = first <= last ? (size_t)(last - first) + 1 : 0;
  return b;
}

static int connection_send_bytes(lua_State *L) {
  struct mp_end *e = check_sender(L, "send_bytes");
  struct bytes b = check_bytes(L);
  struct mp_parcel p = {
      .size = b.size, .fill = fill_bytes, .source = &b};
  int rc = send_parcel(L, e, &p);
  return rc < 0 ? raise(L, rc, "send_bytes") : 0;
}

/* --- receiving ------------------------------------------------------------ */

static void receive(lua_State *L, struct connection *c, void *small,
                    struct mp_item *item, const char *method) {
  struct mp_arena *a = mp_arena_if_any();
  int rc;
  do
    rc = mp_pipe_recv(a, c->handle.body, small, item, MP_FOREVER);
  while (rc == -EINTR && mp_interrupt_check(L));
  if (rc < 0)
    raise(L, rc, method);
  set_bell(a, c);
}

static int connection_recv(lua_State *L) {
  unsigned char small[MP_INLINE_MAX];
  struct mp_item item;
  struct connection *c = check_receiver(L, "recv");
  receive(L, c, small, &item, "recv");
  int rc = mp_message_take(L, mp_arena_if_any(), &item);
  return rc < 0 ? lua_error(L) : rc;
}

/* The string that lua_pushlstring makes may fail for lack of memory: then the
** item must be freed all the same. */
static int push_bytes(lua_State *L) {
  const struct mp_item *item = lua_touserdata(L, 1);
  lua_pushlstring(L, item->data, item->size);
  return 1;
}

static void push_item(lua_State *L, struct mp_item *item) {
  lua_pushcfunction(L, push_bytes);
  lua_pushlightuserdata(L, item);
  int status = lua_pcall(L, 1, 1, 0);
  mp_item_free(mp_arena_if_any(), item);
  if (status != LUA_OK)
    lua_error(L);
}

static int raise_too_short(lua_State *L, lua_Integer max, uint64_t size) {
  lua_pushfstring(L, "Connection:recv_bytes: a message of %I bytes, at most "
                     "%I were wanted (it is the error's value)",
                  (LUAI_UACINT)size, (LUAI_UACINT)max);
  return mp_raise_value(L, "BufferTooShort");
}

static int connection_recv_bytes(lua_State *L) {
  unsigned char small[MP_INLINE_MAX];
  struct mp_item item;
  struct connection *c = check_receiver(L, "recv_bytes");
  lua_Integer max = luaL_optinteger(L, 2, LUA_MAXINTEGER);
  luaL_argcheck(L, max >= 0, 2, "a length of 0 or more expected");
  receive(L, c, small, &item, "recv_bytes");
  uint64_t size = item.size;
  push_item(L, &item);
  return size > (uint64_t)max ? raise_too_short(L, max, size) : 1;
}

static int connection_poll(lua_State *L) {
  struct connection *c = check_receiver(L, "poll");
  int64_t deadline = lua_isnoneornil(L, 2) ? 0 : mp_opt_deadline(L, 2);
  struct mp_arena *a = mp_arena_if_any();
  int rc;
  do
    rc = mp_pipe_poll(a, c->handle.body, deadline);
  while (rc == -EINTR && mp_interrupt_check(L));
  if (rc < 0)
    raise(L, rc, "poll");
  if (rc == 0)
    set_bell(a, c);
  lua_pushboolean(L, rc);
  return 1;
}

static int connection_fileno(lua_State *L) {
  struct connection *c = check_receiver(L, "fileno");
  struct mp_arena *a = mp_arena_if_any();
  int rc = c->bell.name != 0 ? 0 : mp_bell_open(&c->bell);
  if (rc < 0)
    return raise(L, rc, "fileno");
  mp_pipe_unwatch(a, c->handle.body, c->bell.name);
  rc = mp_pipe_watch(a, c->handle.body, c->bell.name);
  if (rc < 0) {
    mp_bell_close(&c->bell);
    return raise(L, rc, "fileno");
  }
  if (mp_pipe_poll(a, c->handle.body, 0) != 0)
    mp_bell_ring(c->bell.name);
  lua_pushinteger(L, c->bell.fd);
  return 1;
}

/* --- ending, fields ------------------------------------------------------- */

static int connection_close(lua_State *L) {
  struct mp_handle *h = mp_handle_test(L, 1, &kind);
  if (h == NULL)
    return luaL_typeerror(L, 1, kind.name);
  mp_handle_close(h, &kind);
  return 0;
}

/* upvalue 1: the methods.  closed, readable, writable are fields. */
static int connection_index(lua_State *L) {
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
    return 1;
  const struct mp_handle *h = mp_handle_test(L, 1, &kind);
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  const struct mp_end *e = h != NULL ? h->body : NULL;
  if (h == NULL)
    return 1;
  if (strcmp(key, "closed") == 0)
    lua_pushboolean(L, e == NULL);
  else if (strcmp(key, "readable") == 0)
    lua_pushboolean(L, e != NULL && e->in != 0);
  else if (strcmp(key, "writable") == 0)
    lua_pushboolean(L, e != NULL && e->out != 0);
  return 1;
}

/* --- for mp.wait ---------------------------------------------------------- */

static int is_ready(void *body) {
  const struct mp_end *e = body;
  return e->in != 0 && mp_pipe_poll(mp_arena_if_any(), body, 0) != 0;
}

static int watch(void *body, uint32_t bell) {
  const struct mp_end *e = body;
  return e->in == 0 ? 0 : mp_pipe_watch(mp_arena_if_any(), body, bell);
}

static void unwatch(void *body, uint32_t bell) {
  const struct mp_end *e = body;
  if (e->in != 0)
    mp_pipe_unwatch(mp_arena_if_any(), body, bell);
}

static const struct mp_waitable waitable = {
    .is_ready = is_ready, .watch = watch, .unwatch = unwatch, .dies = 1};

/* --- module --------------------------------------------------------------- */

static const luaL_Reg methods[] = {
    {"send", connection_send},
    {"recv", connection_recv},
    {"send_bytes", connection_send_bytes},
    {"recv_bytes", connection_recv_bytes},
    {"poll", connection_poll},
    {"fileno", connection_fileno},
    {"close", connection_close},
    {NULL, NULL},
};

static const luaL_Reg meta[] = {
    {"__close", connection_close},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"pipe", connection_pipe},
    {NULL, NULL},
};

int mp_open_connection(lua_State *L) {
  mp_pipe_setup();
  lua_newtable(L);
  mp_handle_class(L, &kind, &ref, methods, meta);
  mp_waitable_class(L, &waitable);
  lua_getfield(L, -1, "__index");
  lua_pushvalue(L, -1);
  lua_setfield(L, -4, "methods");
  lua_pushcclosure(L, connection_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  mp_handle_setfuncs(L, &kind, functions);
  return 1;
}
