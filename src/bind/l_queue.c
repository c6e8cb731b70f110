/*
** l_queue.c: Queue, SimpleQueue and JoinableQueue as Lua sees them
** MIT licence, see LICENSE
**
** One class: they differ in flags.  Encoding and decoding happen outside the
** queue's guard; the Lua half (queue.lua) has the constructors' options and
** the documentation of each method.
*/

#include "bind/modules.h"

#include <errno.h>
#include <string.h>

#include "base/code.h"
#include "bind/core.h"
#include "bind/message.h"
#include "bind/object.h"
#include "bind/waiting.h"
#include "os/clock.h"
#include "store/queue.h"

static const struct mp_kind kind = {.name = "multiprocessing.Queue",
                                    .type = MP_T_QUEUE};

static void queue_push(lua_State *L, mp_off off) {
  mp_handle_push(L, &kind, off);
}

static const struct mp_ref_type ref = {
    .id = MP_T_QUEUE, .place = mp_handle_place, .push = queue_push};

/* --- arguments ------------------------------------------------------------ */

static struct mp_queue *check(lua_State *L) {
  return mp_handle_check(L, 1, &kind)->body;
}

/* [block = true [, timeout]] at arg, arg + 1 -> deadline; arg 0: no waiting */
static int64_t opt_block(lua_State *L, int arg) {
  return arg == 0 ? 0 : mp_opt_block(L, arg);
}

static int raise(lua_State *L, int code, const char *method) {
  switch (code) {
  case MP_EEMPTY:
    return mp_raise(L, "Empty", "Queue:%s: no message came in time", method);
  case MP_EFULL:
    return mp_raise(L, "Full", "Queue:%s: no room came in time", method);
  case MP_ESHUTDOWN:
    return mp_raise(L, "ShutDown", "Queue:%s: the queue was shut down",
                    method);
  default:
    return mp_raise_code(L, code, lua_pushfstring(L, "Queue:%s", method));
  }
}

/* queue.new(maxsize, joinable) */
static int queue_new(lua_State *L) {
  lua_Integer maxsize = luaL_optinteger(L, 1, 0);
  uint32_t flags = lua_toboolean(L, 2) ? MP_Q_JOINABLE : 0;
  mp_queue_setup();
  struct mp_handle *h =
      mp_handle_create(L, &kind, sizeof(struct mp_queue));
  int rc = mp_queue_init(h->body, maxsize > 0 ? (uint64_t)maxsize : 0, flags);
  if (rc < 0)
    raise(L, rc, "new");
  return 1;
}

/* --- putting -------------------------------------------------------------- */

static int put(lua_State *L, int block, const char *method) {
  struct mp_queue *q = check(L);
  int64_t deadline = opt_block(L, block);
  struct mp_arena *a = mp_arena_if_any();
  struct mp_scalar scalar;
  struct mp_encoded *e = NULL;
  struct mp_parcel p;
  int rc;
  luaL_checkany(L, 2);
  if (!mp_message_scalar(L, 2, &scalar, &p))
    e = mp_message_encode(L, 2, &p);
  do
    rc = mp_queue_put(a, q, &p, deadline);
  while (rc == -EINTR && mp_interrupt_check(L));
  if (e != NULL)
    mp_encoded_done(L, e);
  return rc < 0 ? raise(L, rc, method) : 0;
}

static int queue_put(lua_State *L) {
  return put(L, 3, "put");
}

static int queue_put_nowait(lua_State *L) {
  return put(L, 0, "put_nowait");
}

/* --- putting many --------------------------------------------------------- */

/*
** All of the list is encoded before the first message is put.  Short ones are
** copied together into pages; of a long one what mp_encode pushed is kept.
** Both are anchored in a table.
*/
enum { PAGE = 64 * 1024 };

struct bundle {
  struct mp_parcel *parcels; /* in a userdata */
  size_t count;
  int anchors; /* stack index of the table */
  unsigned char *page;
  size_t used;
};

static void fill_short(const void *source, void *dst) {
  uint64_t size;
  memcpy(&size, source, sizeof(size));
  memcpy(dst, (const unsigned char *)source + sizeof(size), size);
}

/* The message is copied from where it lies now; the stack stays as it is. */
static void keep_short(lua_State *L, struct bundle *b, struct mp_parcel *p) {
  size_t need = (sizeof(uint64_t) + p->size + 7) & ~(size_t)7;
  if (b->page == NULL || PAGE - b->used < need) {
    b->page = lua_newuserdatauv(L, PAGE, 0);
    b->used = 0;
    lua_rawseti(L, b->anchors, (lua_Integer)lua_rawlen(L, b->anchors) + 1);
  }
  unsigned char *at = b->page + b->used;
  memcpy(at, &p->size, sizeof(p->size));
  p->fill(p->source, at + sizeof(p->size));
  p->source = at;
  p->fill = fill_short;
  b->used += need;
}

/* stack: ... value -> ... value */
static void encode_other(lua_State *L, struct bundle *b, lua_Integer i,
                         struct mp_parcel *p) {
  struct mp_encoded *e = mp_message_encode_item(L, lua_gettop(L), i, p);
  if (p->size <= MP_INLINE_MAX && p->nrefs == 0) {
    keep_short(L, b, p);
    mp_encoded_done(L, e);
  }
  else
    lua_rawseti(L, b->anchors, (lua_Integer)lua_rawlen(L, b->anchors) + 1);
}

static void encode_one(lua_State *L, struct bundle *b, lua_Integer i) {
  struct mp_parcel *p = &b->parcels[b->count++];
  struct mp_scalar scalar;
  lua_geti(L, 2, i);
  if (mp_message_scalar(L, -1, &scalar, p))
    keep_short(L, b, p);
  else
    encode_other(L, b, i, p);
  lua_pop(L, 1);
}

static lua_Integer length_of(lua_State *L, int index) {
  lua_Integer n;
  int has_n = lua_getfield(L, index, "n") == LUA_TNUMBER;
  n = has_n ? lua_tointeger(L, -1) : luaL_len(L, index);
  lua_pop(L, 1);
  return n > 0 ? n : 0;
}

static void encode_all(lua_State *L, struct bundle *b) {
  lua_Integer n = length_of(L, 2);
  b->parcels = lua_newuserdatauv(L, (size_t)n * sizeof(*b->parcels) + 1, 0);
  lua_newtable(L);
  b->anchors = lua_gettop(L);
  for (lua_Integer i = 1; i <= n; i++)
    encode_one(L, b, i);
}

/* How far it came is the error's value. */
static int raise_after(lua_State *L, int code, size_t done) {
  if (code != MP_EFULL && code != MP_ESHUTDOWN)
    return raise(L, code, "put_many");
  lua_pushinteger(L, (lua_Integer)done);
  lua_pushfstring(L, "Queue:put_many: %d messages were put, then %s",
                  (int)done, code == MP_EFULL ? "no room came in time"
                                              : "the queue was shut down");
  return mp_raise_value(L, code == MP_EFULL ? "Full" : "ShutDown");
}

static int queue_put_many(lua_State *L) {
  struct mp_queue *q = check(L);
  struct mp_arena *a = mp_arena_if_any();
  struct bundle b = {.page = NULL};
  size_t done = 0, now;
  int rc;
  luaL_checktype(L, 2, LUA_TTABLE);
  int64_t deadline = opt_block(L, 3);
  lua_settop(L, 2);
  encode_all(L, &b);
  do {
    rc = mp_queue_put_many(a, q, b.parcels + done, b.count - done, deadline,
                           &now);
    done += now;
  } while (rc == -EINTR && mp_interrupt_check(L));
  return rc < 0 ? raise_after(L, rc, done) : 0;
}

/* --- getting -------------------------------------------------------------- */

/* Pushes a message's value: 1.  Or a code, with nothing pushed.  Raises what
** the message cannot be decoded for. */
static int take(lua_State *L, struct mp_queue *q, int64_t deadline) {
  struct mp_arena *a = mp_arena_if_any();
  unsigned char small[MP_INLINE_MAX];
  struct mp_item item;
  int rc;
  do
    rc = mp_queue_get(a, q, small, &item, deadline);
  while (rc == -EINTR && mp_interrupt_check(L));
  if (rc < 0)
    return rc;
  rc = mp_message_take(L, a, &item);
  return rc < 0 ? lua_error(L) : rc;
}

static int get(lua_State *L, int block, const char *method) {
  struct mp_queue *q = check(L);
  int rc = take(L, q, opt_block(L, block));
  return rc < 0 ? raise(L, rc, method) : rc;
}

static int queue_get(lua_State *L) {
  return get(L, 2, "get");
}

static int queue_get_nowait(lua_State *L) {
  return get(L, 0, "get_nowait");
}

static int queue_try_get(lua_State *L) {
  struct mp_queue *q = check(L);
  int64_t deadline = lua_isnoneornil(L, 2) ? 0 : mp_opt_deadline(L, 2);
  lua_settop(L, 1);
  lua_pushboolean(L, 1);
  int rc = take(L, q, deadline);
  if (rc >= 0)
    return 1 + rc;
  if (rc != MP_EEMPTY && rc != MP_ESHUTDOWN)
    return raise(L, rc, "try_get");
  lua_pushboolean(L, 0);
  lua_pushstring(L, rc == MP_EEMPTY ? "Empty" : "ShutDown");
  return 2;
}

/* queue, n -> n + 1, value; nil when it was shut down and is drained */
static int iter_next(lua_State *L) {
  struct mp_queue *q = check(L);
  lua_pushinteger(L, luaL_checkinteger(L, 2) + 1);
  int rc = take(L, q, MP_FOREVER);
  if (rc == MP_ESHUTDOWN) {
    lua_pushnil(L);
    return 1;
  }
  return rc < 0 ? raise(L, rc, "iter") : 1 + rc;
}

static int queue_iter(lua_State *L) {
  check(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushcclosure(L, iter_next, 1);
  lua_pushvalue(L, 1);
  lua_pushinteger(L, 0);
  return 3;
}

/* --- getting many --------------------------------------------------------- */

/* Pushes the values of a batch, or the errors of those that cannot be decoded:
** bits of the result.  Nothing raises, so no block stays in the hand. */
static uint64_t decode_all(lua_State *L, struct mp_arena *a,
                           struct mp_batch *b) {
  uint64_t bad = 0;
  for (uint32_t i = 0; i < b->count; i++)
    if (mp_message_decode(L, a, &b->item[i]) < 0)
      bad |= UINT64_C(1) << i;
  return bad;
}

/* Stack: ... list, error -> the same.  A message that cannot be decoded must
** not cost the others: its error is kept, and raised when all are there. */
static lua_Integer unpack(lua_State *L, struct mp_arena *a,
                          struct mp_batch *b, int list, lua_Integer n,
                          int *failed) {
  int base = lua_gettop(L), count = (int)b->count;
  uint64_t bad = decode_all(L, a, b);
  for (int i = 0; i < count; i++) {
    lua_pushvalue(L, base + 1 + i);
    if (!(bad >> i & 1))
      lua_rawseti(L, list, ++n);
    else if (*failed)
      lua_pop(L, 1);
    else
      lua_replace(L, *failed = list + 1);
  }
  lua_settop(L, base);
  return n;
}

/* An interrupt may come while only the first batch is waited for. */
static int fetch(lua_State *L, struct mp_arena *a, struct mp_queue *q,
                 struct mp_batch *b, lua_Integer max, int64_t deadline) {
  int rc;
  do
    rc = mp_queue_get_many(a, q, b, (size_t)max, deadline);
  while (rc == -EINTR && mp_interrupt_check(L));
  return rc;
}

static int is_condition(lua_State *L, int index) {
  if (luaL_getmetafield(L, index, "__name") == LUA_TNIL)
    return 0;
  const char *name = lua_tostring(L, -1);
  int yes = name != NULL && strcmp(name, "multiprocessing.Error") == 0;
  lua_pop(L, 1);
  return yes;
}

/* stack: queue, max, timeout, batch, list, error -> */
static int finish_many(lua_State *L, lua_Integer n, int failed) {
  lua_pushinteger(L, n);
  lua_setfield(L, 5, "n");
  if (!failed) {
    lua_settop(L, 5);
    return 1;
  }
  lua_settop(L, 6);
  if (is_condition(L, 6)) {
    lua_pushvalue(L, 5);
    lua_setfield(L, 6, "value");
    lua_settop(L, 6);
    return lua_error(L);
  }
  luaL_tolstring(L, 6, NULL); /* what a user's constructor raised */
  lua_remove(L, 6);
  return mp_raise_value(L, "SerializationError");
}

static int queue_get_many(lua_State *L) {
  struct mp_queue *q = check(L);
  struct mp_arena *a = mp_arena_if_any();
  lua_Integer max = luaL_checkinteger(L, 2), n = 0;
  int64_t deadline = mp_opt_deadline(L, 3);
  int failed = 0;
  luaL_argcheck(L, max >= 1, 2, "at least 1 expected");
  luaL_checkstack(L, MP_BATCH + 10, NULL);
  lua_settop(L, 3);
  struct mp_batch *b = lua_newuserdatauv(L, sizeof(*b), 0);
  lua_createtable(L, max < MP_BATCH ? (int)max : MP_BATCH, 1);
  lua_pushnil(L);
  int rc = fetch(L, a, q, b, max, deadline);
  if (rc < 0)
    return raise(L, rc, "get_many");
  while (rc == 0) {
    n = unpack(L, a, b, 5, n, &failed);
    rc = n < max && !failed ? fetch(L, a, q, b, max - n, 0) : MP_EEMPTY;
  }
  return finish_many(L, n, failed);
}

/* --- looking -------------------------------------------------------------- */

static int64_t count(lua_State *L, struct mp_queue *q) {
  int64_t n = mp_queue_count(mp_arena_if_any(), q);
  if (n < 0)
    raise(L, (int)n, "qsize");
  return n;
}

static int queue_qsize(lua_State *L) {
  lua_pushinteger(L, count(L, check(L)));
  return 1;
}

static int queue_empty(lua_State *L) {
  lua_pushboolean(L, count(L, check(L)) == 0);
  return 1;
}

static int queue_full(lua_State *L) {
  const struct mp_queue *q = check(L);
  uint64_t n = (uint64_t)count(L, check(L));
  lua_pushboolean(L, q->maxsize != 0 && n >= q->maxsize);
  return 1;
}

/* --- ending --------------------------------------------------------------- */

static int queue_shutdown(lua_State *L) {
  struct mp_queue *q = check(L);
  int rc = mp_queue_shutdown(mp_arena_if_any(), q, lua_toboolean(L, 2));
  return rc < 0 ? raise(L, rc, "shutdown") : 0;
}

static int queue_task_done(lua_State *L) {
  struct mp_queue *q = check(L);
  if (!(q->flags & MP_Q_JOINABLE))
    return luaL_error(L, "Queue:task_done: only a JoinableQueue counts its tasks");
  int rc = mp_queue_task_done(mp_arena_if_any(), q);
  if (rc == MP_EEMPTY)
    return luaL_error(L, "JoinableQueue:task_done: called more often than "
                         "messages were put");
  return rc < 0 ? raise(L, rc, "task_done") : 0;
}

static int queue_join(lua_State *L) {
  struct mp_queue *q = check(L);
  int64_t deadline = mp_opt_deadline(L, 2);
  int rc;
  if (!(q->flags & MP_Q_JOINABLE))
    return luaL_error(L, "Queue:join: only a JoinableQueue can be joined");
  do
    rc = mp_queue_join(mp_arena_if_any(), q, deadline);
  while (rc == -EINTR && mp_interrupt_check(L));
  if (rc == MP_ELOST)
    return mp_raise(L, "WorkerLostError",
                    "JoinableQueue:join: what is left was taken by processes "
                    "that died before task_done");
  if (rc < 0 && rc != -ETIMEDOUT)
    return raise(L, rc, "join");
  lua_pushboolean(L, rc == 0);
  return 1;
}

static int queue_close(lua_State *L) {
  struct mp_handle *h = mp_handle_test(L, 1, &kind);
  if (h == NULL)
    return luaL_typeerror(L, 1, kind.name);
  mp_handle_close(h, &kind);
  return 0;
}

static int queue_nothing(lua_State *L) {
  if (mp_handle_test(L, 1, &kind) == NULL)
    return luaL_typeerror(L, 1, kind.name);
  return 0;
}

/* --- for mp.wait ---------------------------------------------------------- */

static int is_ready(void *body) {
  return mp_queue_is_ready(mp_arena_if_any(), body);
}

static int watch(void *body, uint32_t bell) {
  return mp_queue_watch(mp_arena_if_any(), body, bell);
}

static void unwatch(void *body, uint32_t bell) {
  mp_queue_unwatch(mp_arena_if_any(), body, bell);
}

static const struct mp_waitable waitable = {
    .is_ready = is_ready, .watch = watch, .unwatch = unwatch};

/* --- module --------------------------------------------------------------- */

static const luaL_Reg methods[] = {
    {"put", queue_put},
    {"put_nowait", queue_put_nowait},
    {"put_many", queue_put_many},
    {"get", queue_get},
    {"get_nowait", queue_get_nowait},
    {"try_get", queue_try_get},
    {"get_many", queue_get_many},
    {"qsize", queue_qsize},
    {"empty", queue_empty},
    {"full", queue_full},
    {"shutdown", queue_shutdown},
    {"iter", queue_iter},
    {"close", queue_close},
    {"join_thread", queue_nothing},
    {"cancel_join_thread", queue_nothing},
    {"task_done", queue_task_done},
    {"join", queue_join},
    {NULL, NULL},
};

static const luaL_Reg meta[] = {
    {"__close", queue_close},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"new", queue_new},
    {NULL, NULL},
};

int mp_open_queue(lua_State *L) {
  mp_queue_setup();
  lua_newtable(L);
  mp_handle_class(L, &kind, &ref, methods, meta);
  mp_waitable_class(L, &waitable);
  lua_getfield(L, -1, "__index");
  lua_setfield(L, -3, "methods");
  lua_pop(L, 1);
  mp_handle_setfuncs(L, &kind, functions);
  return 1;
}
