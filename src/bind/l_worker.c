/*
** l_worker.c: the life of a pool's worker, multiprocessing.core.worker
** MIT licence, see LICENSE
**
** The loop: take a slice, run its items under one protected call, hand in the
** results.  An error ends the protected call, becomes the item's result, and
** the next item begins a new one.  Only what the task itself allocates can
** fail in between: a result that cannot be made is replaced by a smaller one.
*/

#include "bind/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/code.h"
#include "bind/core.h"
#include "bind/pool_core.h"
#include "bind/pool_items.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/self.h"

enum {
  FUNCTIONS_MAX = 64,    /* decoded functions that are kept */
  WANT_MAX = 65536,      /* items of a slice */
  STRIDE_MAX = 16        /* items between two looks at the clock */
};

#define SLICE_NS (4 * MP_MS) /* work worth one slice */
#define FLUSH_NS (5 * MP_MS) /* results wait no longer */
#define SHARE_NS (8 * MP_MS) /* then the rest is for others */

struct worker {
  struct mp_pool_worker w;
  uint64_t quota; /* items until it leaves; UINT64_MAX: no end */
  uint64_t job;   /* of the last slice */
  int64_t item_ns; /* what an item of that job takes, 0: not known */
  int seeded;
  lua_Integer seed;
  /* the slice */
  uint32_t at, to;
  uint32_t stride, until_look;
  int64_t looked, flushed, began;
  /* stack places */
  int functions, traceback;
  uint64_t globals_of;  /* function whose globals were set last, + 1 */
  uint64_t globals_for; /* job that they were set for */
  uint64_t order[FUNCTIONS_MAX];
  uint32_t nfunctions;
};

/* --- results -------------------------------------------------------------------- */

/* Waits for memory: the owner may be about to free some. */
static void *room(struct worker *k, size_t n) {
  enum { TRIES = 2000 };
  for (int i = 0; i < TRIES; i++) {
    void *p = mp_pool_room(&k->w, n);
    if (p != NULL)
      return p;
    mp_sleep_until(mp_now() + 5 * MP_MS);
  }
  return NULL;
}

/* the item's result is n values from stack[first] on; raises when they cannot
** be sent */
static void put_coded(lua_State *L, struct worker *k, int status, int first,
                      int n) {
  struct mp_codec_opts opts = mp_item_opts;
  opts.root = status == MP_ITEM_DONE ? "result" : "error";
  struct mp_encoded *e = mp_encode(L, first, n, &opts);
  size_t size = 1 + MP_ITEM_HEAD + mp_encoded_size(e);
  const mp_off *refs;
  uint32_t nrefs = mp_encoded_refs(e, &refs);
  unsigned char *p = nrefs > 0 ? mp_pool_room_refs(&k->w, size, refs, nrefs)
                               : mp_pool_room(&k->w, size);
  if (p == NULL) {
    mp_raise_code(L, MP_ENOARENA, "cannot send a result");
    return;
  }
  *p = (unsigned char)status;
  mp_item_write_coded(e, p + 1);
  mp_pool_publish(&k->w, size);
  if (nrefs > 0)
    mp_pool_flush(&k->w);
  mp_encoded_done(L, e);
}

static void put_values(lua_State *L, struct worker *k, int status, int first,
                       int n) {
  size_t size = mp_item_size(L, first, n);
  if (size == 0) {
    put_coded(L, k, status, first, n);
    return;
  }
  unsigned char *p = room(k, 1 + size);
  if (p == NULL) {
    luaL_error(L, "not enough memory (shared)");
    return;
  }
  *p = (unsigned char)status;
  mp_item_write(L, first, n, p + 1);
  mp_pool_publish(&k->w, 1 + size);
}

/* stack: worker, error value, traceback */
static int put_error(lua_State *L) {
  put_values(L, lua_touserdata(L, 1), MP_ITEM_FAILED, 2, 2);
  return 0;
}

/* stack: worker, error value, traceback; the value as text */
static int put_error_text(lua_State *L) {
  luaL_tolstring(L, 2, NULL);
  lua_replace(L, 2);
  return put_error(L);
}

static int put_error_type(lua_State *L) {
  lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 2));
  lua_replace(L, 2);
  return put_error(L);
}

static int attempt(lua_State *L, struct worker *k, lua_CFunction f, int value) {
  lua_pushcfunction(L, f);
  lua_pushlightuserdata(L, k);
  lua_pushvalue(L, value);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &k->traceback);
  return lua_pcall(L, 3, 0, 0) == LUA_OK;
}

/* the error value on top is the item's result; never fails */
static void put_failure(lua_State *L, struct worker *k) {
  int value = lua_gettop(L);
  if (!attempt(L, k, put_error, value) &&
      (lua_settop(L, value), !attempt(L, k, put_error_text, value)) &&
      (lua_settop(L, value), !attempt(L, k, put_error_type, value))) {
    unsigned char *p = room(k, 1);
    if (p == NULL) {
      fprintf(stderr, "a worker of a pool ends: no shared memory\n");
      raise(SIGKILL);
    } else {
      *p = MP_ITEM_NOMEM;
      mp_pool_publish(&k->w, 1);
    }
  }
  lua_settop(L, value - 1);
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &k->traceback);
}

/* --- one slice ------------------------------------------------------------------ */

/* The message handler: keeps the traceback beside the value. */
static int take_traceback(lua_State *L) {
  struct worker *k = lua_touserdata(L, lua_upvalueindex(1));
  luaL_traceback(L, L, NULL, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &k->traceback);
  return 1;
}

/*
** Now and then: are results to be handed in, is the rest of the slice better
** done by others?  The clock costs as much as a trivial item, so that it is
** looked at only every few of those.
*/
static void look_at_clock(struct worker *k) {
  struct mp_pool *p = k->w.pool;
  int64_t now = mp_now();
  int64_t passed = now - k->looked;
  k->looked = now;
  k->stride = passed > MP_MS / 4   ? 1
              : k->stride < STRIDE_MAX ? 2 * k->stride
                                       : STRIDE_MAX;
  k->until_look = k->stride;
  if (now - k->flushed > FLUSH_NS && k->at < k->to) {
    mp_pool_flush(&k->w);
    k->flushed = now;
  }
  if (now - k->began > SHARE_NS && k->w.batch->chunk == 0 && p->pending == 0 &&
      p->spinners + p->sleepers > 0)
    k->to = k->at;
}

/* stack: worker, function, math.randomseed or nil */
static int run_items(lua_State *L) {
  struct worker *k = lua_touserdata(L, 1);
  const struct mp_pool_batch *b = k->w.batch;
  int results = b->flags & MP_POOL_ALL_RESULTS ? LUA_MULTRET : 1;
  luaL_checkstack(L, 300, NULL);
  while (k->at < k->to) {
    uint32_t i = k->at;
    const unsigned char *p = (const unsigned char *)b + b->place[i];
    mp_pool_begin(&k->w, i);
    if (k->seeded) {
      lua_pushvalue(L, 3);
      lua_pushinteger(L, k->seed);
      lua_pushinteger(L, (lua_Integer)(b->number + i));
      lua_call(L, 2, 0);
    }
    lua_pushvalue(L, 2);
    int n = mp_item_read(L, &p, (const unsigned char *)b + b->place[i + 1]);
    if (n < 0)
      return lua_error(L);
    lua_call(L, n, results);
    put_values(L, k, MP_ITEM_DONE, 4, lua_gettop(L) - 3);
    lua_settop(L, 3);
    k->at = i + 1;
    if (--k->until_look == 0)
      look_at_clock(k);
  }
  return 0;
}

/* items done so far, as far as their results tell */
static uint32_t done(const struct worker *k) {
  return k->w.seat->from + (k->w.block != NULL ? k->w.block->count : 0);
}

/* stack: ..., function; runs the slice */
static void run_slice(lua_State *L, struct worker *k) {
  int function = lua_gettop(L);
  lua_pushlightuserdata(L, k);
  lua_pushcclosure(L, take_traceback, 1);
  while (k->at < k->to) {
    lua_pushcfunction(L, run_items);
    lua_pushlightuserdata(L, k);
    lua_pushvalue(L, function);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &k->seeded);
    int rc = lua_pcall(L, 3, 0, function + 1);
    if (rc == LUA_OK)
      break;
    if (done(k) == k->at) /* else it failed after its result was published */
      put_failure(L, k);
    else
      lua_pop(L, 1);
    if (rc == LUA_ERRMEM)
      lua_gc(L, LUA_GCCOLLECT);
    k->at = done(k);
    if (--k->until_look == 0)
      look_at_clock(k);
  }
  lua_settop(L, function - 1);
}

/* --- functions ------------------------------------------------------------------- */

static int decode_function(lua_State *L) {
  struct worker *k = lua_touserdata(L, 1);
  struct mp_arena *a = k->w.arena;
  const struct mp_pool_function *f =
      mp_message_data(a, k->w.batch->function);
  int n = mp_decode(L, mp_pool_function_bytes(a, k->w.batch->function),
                    f->size, &mp_item_opts);
  if (n != 1)
    return lua_error(L);
  return 1;
}

/* keeps the function on top */
static void keep_function(lua_State *L, struct worker *k, uint64_t id) {
  if (lua_rawgeti(L, k->functions, (lua_Integer)id) == LUA_TNIL) {
    if (k->nfunctions == FUNCTIONS_MAX) {
      lua_pushnil(L);
      lua_rawseti(L, k->functions, (lua_Integer)k->order[0]);
      k->nfunctions--;
      memmove(k->order, k->order + 1, k->nfunctions * sizeof k->order[0]);
    }
    k->order[k->nfunctions++] = id;
  }
  lua_pop(L, 1);
  lua_pushvalue(L, -1);
  lua_rawseti(L, k->functions, (lua_Integer)id);
}

static int decode_protected(lua_State *L, struct worker *k) {
  lua_pushlightuserdata(L, k);
  lua_pushcclosure(L, take_traceback, 1);
  int handler = lua_gettop(L);
  lua_pushcfunction(L, decode_function);
  lua_pushlightuserdata(L, k);
  int rc = lua_pcall(L, 1, 1, handler);
  lua_remove(L, handler);
  return rc == LUA_OK;
}

/*
** Pushes the batch's function: 1; or the error that says why there is none.
** One that brings globals is decoded for each call anew, and where those of
** another function came in between: it finds its own, as they were sent.
*/
static int push_function(lua_State *L, struct worker *k) {
  const struct mp_pool_function *f =
      mp_message_data(k->w.arena, k->w.batch->function);
  int type = lua_rawgeti(L, k->functions, (lua_Integer)f->id);
  uint64_t job = k->w.batch->job;
  if (type != LUA_TNIL && (!f->sets_globals || (k->globals_of == f->id + 1 &&
                                                k->globals_for == job)))
    return 1;
  lua_pop(L, 1);
  if (!decode_protected(L, k))
    return 0;
  if (f->sets_globals) {
    k->globals_of = f->id + 1;
    k->globals_for = job;
  }
  keep_function(L, k, f->id);
  return 1;
}

/* No function: each item fails with the reason on top of the stack. */
static void fail_slice(lua_State *L, struct worker *k) {
  while (k->at < k->to) {
    mp_pool_begin(&k->w, k->at);
    lua_pushvalue(L, -1);
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &k->traceback);
    put_failure(L, k);
    k->at++;
  }
  lua_pop(L, 1);
}

/* --- the loop -------------------------------------------------------------------- */

static uint32_t want(const struct worker *k) {
  uint64_t n = k->item_ns <= 0 ? 1 : (uint64_t)(SLICE_NS / k->item_ns);
  n = n < 1 ? 1 : n > WANT_MAX ? WANT_MAX : n;
  return (uint32_t)(n < k->quota ? n : k->quota);
}

static void begin_slice(struct worker *k) {
  const struct mp_pool_seat *s = k->w.seat;
  if (k->w.batch->job != k->job)
    k->item_ns = 0;
  k->job = k->w.batch->job;
  k->at = s->from;
  k->to = s->to - s->from > k->quota ? s->from + (uint32_t)k->quota : s->to;
  k->stride = k->until_look = 1;
  k->began = k->looked = k->flushed = mp_now();
  atomic_store_explicit(&k->w.seat->busy_since, k->began,
                        memory_order_relaxed);
}

/* the average leans on the latest slice */
static void end_slice(lua_State *L, struct worker *k, uint32_t first) {
  struct mp_pool_seat *s = k->w.seat;
  uint32_t n = k->at - first;
  int64_t took = mp_now() - k->began;
  if (n > 0) {
    int64_t each = took / n;
    k->item_ns = k->item_ns == 0 ? each : (k->item_ns + 3 * each) / 4;
  }
  k->quota -= k->quota == UINT64_MAX ? 0 : n;
  atomic_store_explicit(&s->tasks, s->tasks + n, memory_order_relaxed);
  atomic_store_explicit(&s->busy, s->busy + (uint64_t)took,
                        memory_order_relaxed);
  atomic_store_explicit(&s->busy_since, 0, memory_order_relaxed);
  uint64_t memory = (uint64_t)lua_gc(L, LUA_GCCOUNT) * 1024;
  atomic_store_explicit(&s->memory, memory, memory_order_relaxed);
  if (k->quota == 0)
    atomic_store(&s->leaving, 1);
}

static void do_slice(lua_State *L, struct worker *k) {
  begin_slice(k);
  uint32_t first = k->at;
  if (push_function(L, k)) {
    k->began = k->looked = mp_now();
    run_slice(L, k);
  } else {
    fail_slice(L, k);
  }
  end_slice(L, k, first);
}

/* slices as long as there are any */
static int work(lua_State *L, struct worker *k) {
  int rc = mp_pool_take(&k->w, want(k));
  while (rc == 1) {
    do_slice(L, k);
    rc = mp_pool_next(&k->w, want(k), k->job);
  }
  return rc;
}

/* the bell of an owner that we were not forked from */
static int open_bell(lua_State *L, lua_Integer pid, lua_Integer fd) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%lld/fd/%lld", (long long)pid,
           (long long)fd);
  int bell = mp_fd_lift(open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  if (bell < 0)
    luaL_error(L, "a worker cannot reach its pool through %s", path);
  return bell;
}

static struct mp_pool_core *check_core(lua_State *L) {
  return luaL_checkudata(L, 1, mp_pool_kind.name);
}

/* enter(core, pid, bell): makes this process a worker: Ctrl-C is the owner's
** affair. */
static int worker_enter(lua_State *L) {
  struct mp_pool_core *c = check_core(L);
  signal(SIGINT, SIG_IGN);
  mp_pool_core_forget(c);
  if (c->owner == 0)
    c->bell = open_bell(L, luaL_checkinteger(L, 2), luaL_checkinteger(L, 3));
  return 0;
}

/* fail(core, seat, text): the initializer failed; the pool is told */
static int worker_fail(lua_State *L) {
  struct mp_pool_core *c = check_core(L);
  struct mp_pool_worker w;
  mp_pool_sit(&w, c->arena, mp_pool_of(c),
              (uint32_t)luaL_checkinteger(L, 2) - 1, c->bell);
  lua_settop(L, 3);
  lua_pushnil(L);
  luaL_argcheck(L, lua_rawlen(L, 3) < 32768, 3, "text is too long");
  unsigned char *bytes = lua_newuserdatauv(L, 1 + mp_item_size(L, 3, 2), 0);
  bytes[0] = MP_ITEM_FAILED;
  const unsigned char *end = mp_item_write(L, 3, 2, bytes + 1);
  int rc = mp_pool_report(&w, bytes, (size_t)(end - bytes));
  if (rc < 0)
    mp_raise_code(L, rc, "Pool");
  return 0;
}

static void set_seed(lua_State *L, struct worker *k, int arg) {
  if (lua_isnoneornil(L, arg))
    return;
  k->seeded = 1;
  k->seed = luaL_checkinteger(L, arg);
  lua_getglobal(L, "math");
  lua_getfield(L, -1, "randomseed");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &k->seeded);
  lua_pop(L, 1);
}

/* run(core, seat, max tasks or nil, seed or nil): until the pool needs this
** worker no more */
static int worker_run(lua_State *L) {
  struct mp_pool_core *c = check_core(L);
  struct mp_pool *p = mp_pool_of(c);
  lua_Integer seat = luaL_checkinteger(L, 2);
  luaL_argcheck(L, seat >= 1 && seat <= p->nseats, 2, "no such seat");
  lua_settop(L, 4);
  struct worker *k = lua_newuserdatauv(L, sizeof *k, 0);
  memset(k, 0, sizeof *k);
  mp_pool_sit(&k->w, c->arena, p, (uint32_t)(seat - 1), c->bell);
  k->quota = lua_isnil(L, 3) ? UINT64_MAX : (uint64_t)luaL_checkinteger(L, 3);
  set_seed(L, k, 4);
  lua_newtable(L);
  k->functions = lua_gettop(L);
  atomic_store(&k->w.seat->ready, 1);
  int rc = 1;
  while (rc >= 0 && k->quota > 0 && (rc = mp_pool_wait(&k->w)) == 1)
    rc = work(L, k);
  if (rc < 0)
    return mp_raise_code(L, rc, "a worker of a pool cannot go on");
  return 0;
}

static const luaL_Reg functions[] = {
    {"enter", worker_enter},
    {"fail", worker_fail},
    {"run", worker_run},
    {NULL, NULL},
};

int mp_open_worker(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
