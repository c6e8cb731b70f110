/*
** l_pool.c: the owner's side of a pool, multiprocessing.core.pool
** MIT licence, see LICENSE
**
** What happens for each item: encoding items into batches, reading results
** into Lua lists; and the one place where the owner waits.  What to do about
** it all is decided in lua/multiprocessing/pool.
*/

#include "bind/modules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/code.h"
#include "bind/core.h"
#include "bind/pool_core.h"
#include "bind/pool_items.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/poll.h"
#include "os/self.h"
#include "os/pollset.h"

enum { ON_BELL = UINT32_MAX, ON_TIMER = UINT32_MAX - 1 };

/* --- the handle ------------------------------------------------------------ */

static void core_ready(lua_State *L, struct mp_handle *h) {
  struct mp_pool_core *c = (struct mp_pool_core *)h;
  c->arena = mp_core_arena(L);
  c->bell = c->ear = c->watch = c->timer = -1;
}

static void close_fd(int *fd) {
  if (*fd >= 0)
    mp_fd_close(*fd);
  *fd = -1;
}

void mp_pool_core_forget(struct mp_pool_core *c) {
  close_fd(&c->ear);
  close_fd(&c->watch);
  close_fd(&c->timer);
}

/* A forked process has copies of the descriptors, so it closes them, too. */
static void core_leave(struct mp_handle *h) {
  struct mp_pool_core *c = (struct mp_pool_core *)h;
  mp_pool_core_forget(c);
  close_fd(&c->bell);
  mp_buf_fini(&c->bytes);
  mp_buf_fini(&c->places);
  mp_buf_fini(&c->refs);
  free(c->known);
  c->known = NULL;
  c->nknown = 0;
}

const struct mp_kind mp_pool_kind = {.name = "multiprocessing.PoolCore",
                                     .type = MP_T_POOL,
                                     .size = sizeof(struct mp_pool_core),
                                     .uservalues = 1,
                                     .ready = core_ready,
                                     .leave = core_leave};

static void core_push(lua_State *L, mp_off off) {
  mp_handle_push(L, &mp_pool_kind, off);
}

static const struct mp_ref_type core_ref = {
    .id = MP_T_POOL, .place = mp_handle_place, .push = core_push};

static struct mp_pool_core *check(lua_State *L) {
  return (struct mp_pool_core *)mp_handle_check(L, 1, &mp_pool_kind);
}

static void must(lua_State *L, int rc, const char *what) {
  if (rc < 0)
    mp_raise_code(L, rc, what);
}

static int open_bell(struct mp_pool_core *c) {
  int ends[2];
  int rc = mp_fd_pipe(ends);
  if (rc < 0)
    return rc;
  c->ear = ends[0];
  c->bell = ends[1];
  rc = mp_fd_set_nonblock(c->ear, 1);
  return rc < 0 ? rc : mp_fd_set_nonblock(c->bell, 1);
}

/* each descriptor is the handle's as soon as it exists */
static int open_descriptors(struct mp_pool_core *c) {
  int rc = open_bell(c);
  if (rc < 0)
    return rc;
  if ((c->watch = mp_pollset_open()) < 0)
    return c->watch;
  if ((c->timer = mp_timer_open()) < 0)
    return c->timer;
  rc = mp_pollset_add(c->watch, c->ear, ON_BELL);
  return rc < 0 ? rc : mp_pollset_add(c->watch, c->timer, ON_TIMER);
}

/* new(workers) -> core */
static int core_new(lua_State *L) {
  uint32_t n = (uint32_t)luaL_checkinteger(L, 1);
  struct mp_handle *h = mp_handle_create(L, &mp_pool_kind, mp_pool_size(n));
  struct mp_pool_core *c = (struct mp_pool_core *)h;
  must(L, mp_pool_init(mp_pool_of(c), n), "Pool");
  c->owner = mp_self_pid();
  must(L, open_descriptors(c), "Pool");
  return 1;
}

static int core_close(lua_State *L) {
  struct mp_pool_core *c = luaL_checkudata(L, 1, mp_pool_kind.name);
  mp_handle_close(&c->h, &mp_pool_kind);
  return 0;
}

static int core_bell(lua_State *L) {
  lua_pushinteger(L, check(L)->bell);
  return 1;
}

/* --- functions -------------------------------------------------------------- */

static uint64_t hash_of(const unsigned char *p, size_t n) {
  uint64_t h = n * UINT64_C(0x9e3779b97f4a7c15), w;
  for (; n >= 8; p += 8, n -= 8) {
    memcpy(&w, p, 8);
    h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 32;
  }
  w = 0;
  memcpy(&w, p, n);
  h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
  return h ^ (h >> 29);
}

static struct mp_pool_known *find_known(struct mp_pool_core *c, uint64_t hash) {
  for (uint32_t i = 0; i < c->nknown; i++) {
    struct mp_pool_known *k = &c->known[i];
    if (k->place == 0 || k->hash != hash || k->size != c->bytes.len)
      continue;
    if (memcmp(mp_pool_function_bytes(c->arena, k->place), c->bytes.data,
               c->bytes.len) == 0)
      return k;
  }
  return NULL;
}

enum { KNOWN_MIN = 32 }; /* functions kept though no job needs them */

/* a free entry, or the one that nobody has used for longest, emptied */
static struct mp_pool_known *free_known(struct mp_pool_core *c) {
  struct mp_pool_known *best = NULL;
  for (uint32_t i = 0; i < c->nknown; i++) {
    struct mp_pool_known *k = &c->known[i];
    if (k->place == 0)
      return k;
    if (k->users == 0 && (best == NULL || k->used < best->used))
      best = k;
  }
  if (best != NULL) {
    if (mp_pool_function_drop(c->arena, mp_pool_of(c), best->place) < 0)
      return NULL;
    best->place = 0;
    best->constant = NULL;
    return best;
  }
  uint32_t n = c->nknown == 0 ? KNOWN_MIN : 2 * c->nknown;
  struct mp_pool_known *grown = realloc(c->known, n * sizeof *grown);
  if (grown == NULL)
    return NULL;
  memset(grown + c->nknown, 0, (n - c->nknown) * sizeof *grown);
  best = grown + c->nknown;
  c->known = grown;
  c->nknown = n;
  return best;
}

/* stack top: the encoded function, also in c->bytes */
static int learn(struct mp_pool_core *c, struct mp_pool_known *k,
                 const struct mp_encoded *e, uint64_t hash) {
  const mp_off *refs;
  uint32_t nrefs = mp_encoded_refs(e, &refs);
  mp_off place;
  int rc = mp_pool_function_add(c->arena, mp_pool_of(c), c->bytes.len, refs,
                                nrefs, c->lookups, &place);
  if (rc < 0)
    return rc;
  memcpy(mp_pool_function_bytes(c->arena, place), c->bytes.data, c->bytes.len);
  struct mp_pool_function *f = mp_message_data(c->arena, place);
  f->sets_globals = (uint64_t)mp_encoded_sets_globals(e);
  *k = (struct mp_pool_known){
      .place = place, .hash = hash, .size = c->bytes.len};
  return 0;
}

/*
** A Lua function without upvalues cannot change, so it need not be encoded to
** see whether it is known.  It is kept alive (in the handle's user value, by
** the entry's number) as long as its address stands for it.
*/
static int is_constant(lua_State *L, int f) {
  if (!lua_isfunction(L, f) || lua_iscfunction(L, f))
    return 0;
  if (lua_getupvalue(L, f, 1) == NULL)
    return 1;
  lua_pop(L, 1);
  return 0;
}

static struct mp_pool_known *find_constant(lua_State *L,
                                           struct mp_pool_core *c) {
  const void *f = lua_topointer(L, 2);
  for (uint32_t i = 0; f != NULL && i < c->nknown; i++) {
    if (c->known[i].constant == f)
      return &c->known[i];
  }
  return NULL;
}

static void note_constant(lua_State *L, struct mp_pool_core *c,
                          struct mp_pool_known *k) {
  if (!is_constant(L, 2))
    return;
  if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, 1);
  }
  k->constant = NULL; /* the old one may be collected from here on */
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, k - c->known + 1);
  lua_pop(L, 1);
  k->constant = lua_topointer(L, 2);
}

/* by content */
static struct mp_pool_known *find_or_learn(lua_State *L,
                                           struct mp_pool_core *c) {
  struct mp_encoded *e = mp_encode(L, 2, 1, &mp_item_opts);
  size_t size = mp_encoded_size(e);
  c->bytes.len = 0;
  must(L, mp_buf_reserve(&c->bytes, size), "Pool");
  mp_encoded_copy(e, c->bytes.data);
  c->bytes.len = size;
  uint64_t hash = hash_of(c->bytes.data, size);
  struct mp_pool_known *k = find_known(c, hash);
  if (k == NULL) {
    k = free_known(c);
    must(L, k == NULL ? -ENOMEM : learn(c, k, e, hash), "Pool");
  }
  mp_encoded_done(L, e);
  c->bytes.len = 0;
  note_constant(L, c, k);
  return k;
}

/*
** core:enter(f) -> number of the function, for put; leave(number) when the
** job is finished.  The content decides: the same code with the same upvalues
** and globals is sent once.
*/
static int core_enter(lua_State *L) {
  struct mp_pool_core *c = check(L);
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  c->lookups++;
  struct mp_pool_known *k = find_constant(L, c);
  if (k == NULL)
    k = find_or_learn(L, c);
  k->users++;
  k->used = c->lookups;
  lua_pushinteger(L, k - c->known + 1);
  return 1;
}

static int core_leave_function(lua_State *L) {
  struct mp_pool_core *c = check(L);
  lua_Integer i = luaL_checkinteger(L, 2);
  if (i >= 1 && i <= c->nknown && c->known[i - 1].users > 0)
    c->known[i - 1].users--;
  return 0;
}

/* --- batches ----------------------------------------------------------------- */

enum {
  BATCH_BYTES = 128 * 1024, /* sealed when it has grown beyond */
  FIRST_ITEMS = 512,   /* the first is small: workers begin at once */
  BATCH_ITEMS = 16384,
  ALONE_BYTES = 64 * 1024 /* larger items are copied once only */
};

struct put {
  struct mp_pool_core *c;
  uint32_t limit; /* items of the next batch */
  int stream;     /* each batch is submitted at once */
  struct mp_pool_batch head; /* last: place[] is of no size here */
};

static void forget_batch(struct mp_pool_core *c) {
  c->bytes.len = c->places.len = c->refs.len = 0;
}

static mp_off alloc_batch(lua_State *L, struct put *p, size_t size,
                          const mp_off *refs, uint32_t nrefs) {
  mp_off off;
  struct mp_pool *pool = mp_pool_of(p->c);
  int rc = mp_pool_batch_new(p->c->arena, pool, size, refs, nrefs, &off);
  if (rc == MP_ENOARENA) {
    lua_gc(L, LUA_GCCOLLECT);
    rc = mp_pool_batch_new(p->c->arena, pool, size, refs, nrefs, &off);
  }
  must(L, rc, "cannot send items to the pool");
  return off;
}

static struct mp_pool_batch *fill_head(const struct put *p, mp_off off,
                                       uint32_t count) {
  struct mp_pool_batch *b = mp_message_data(p->c->arena, off);
  b->job = p->head.job;
  b->first = p->head.first;
  b->number = p->head.number;
  b->function = p->head.function;
  b->timeout = p->head.timeout;
  b->chunk = p->head.chunk;
  b->flags |= p->head.flags;
  b->count = count;
  return b;
}

/* a filled batch is staged, and the head made ready for the next */
static void stage(lua_State *L, struct put *p, mp_off off) {
  struct mp_pool_batch *b = mp_message_data(p->c->arena, off);
  uint32_t n = b->count;
  int rc = p->stream ? mp_pool_submit_one(p->c->arena, mp_pool_of(p->c), off)
                     : mp_pool_stage(p->c->arena, mp_pool_of(p->c), off);
  p->head.first += n;
  p->head.number += n;
  must(L, rc, "cannot send items to the pool");
}

static void seal(lua_State *L, struct put *p) {
  struct mp_pool_core *c = p->c;
  uint32_t n = (uint32_t)(c->places.len / sizeof(uint32_t));
  if (n == 0)
    return;
  size_t head = sizeof p->head + (n + 1) * sizeof(uint32_t);
  mp_off off = alloc_batch(L, p, head + c->bytes.len,
                           (const mp_off *)(void *)c->refs.data,
                           (uint32_t)(c->refs.len / sizeof(mp_off)));
  struct mp_pool_batch *b = fill_head(p, off, n);
  const uint32_t *places = (const uint32_t *)(void *)c->places.data;
  for (uint32_t i = 0; i < n; i++)
    b->place[i] = (uint32_t)head + places[i];
  b->place[n] = (uint32_t)(head + c->bytes.len);
  memcpy((unsigned char *)b + head, c->bytes.data, c->bytes.len);
  forget_batch(c);
  stage(L, p, off);
}

static void add_place(lua_State *L, struct put *p) {
  uint32_t place = (uint32_t)p->c->bytes.len;
  must(L, mp_buf_put(&p->c->places, &place, sizeof place), "Pool");
}

/* an item that fills a batch of its own */
static void put_alone(lua_State *L, struct put *p,
                      const struct mp_encoded *e) {
  const mp_off *refs;
  size_t head = sizeof p->head + 2 * sizeof(uint32_t);
  uint64_t size = MP_ITEM_HEAD + mp_encoded_size(e);
  uint32_t nrefs = mp_encoded_refs(e, &refs);
  if (size > UINT32_MAX - head)
    luaL_error(L, "an item of %I bytes is too large for a pool", size);
  seal(L, p);
  mp_off off = alloc_batch(L, p, head + size, refs, nrefs);
  struct mp_pool_batch *b = fill_head(p, off, 1);
  b->place[0] = (uint32_t)head;
  b->place[1] = (uint32_t)(head + size);
  mp_item_write_coded(e, (unsigned char *)b + head);
  stage(L, p, off);
}

static void put_coded(lua_State *L, struct put *p, int first, int n) {
  struct mp_pool_core *c = p->c;
  struct mp_encoded *e = mp_encode(L, first, n, &mp_item_opts);
  size_t size = MP_ITEM_HEAD + mp_encoded_size(e);
  const mp_off *refs;
  uint32_t nrefs = mp_encoded_refs(e, &refs);
  if (size > ALONE_BYTES) {
    put_alone(L, p, e);
  } else {
    add_place(L, p);
    must(L, mp_buf_reserve(&c->bytes, size), "Pool");
    mp_item_write_coded(e, c->bytes.data + c->bytes.len);
    c->bytes.len += size;
    must(L, mp_buf_put(&c->refs, refs, nrefs * sizeof *refs), "Pool");
  }
  mp_encoded_done(L, e);
}

/* one item, of n values */
static void put_item(lua_State *L, struct put *p, int first, int n) {
  struct mp_pool_core *c = p->c;
  size_t size = mp_item_size(L, first, n);
  if (size == 0) {
    put_coded(L, p, first, n);
  } else {
    add_place(L, p);
    must(L, mp_buf_reserve(&c->bytes, size), "Pool");
    mp_item_write(L, first, n, c->bytes.data + c->bytes.len);
    c->bytes.len += size;
  }
  if (c->places.len < p->limit * sizeof(uint32_t) &&
      c->bytes.len < BATCH_BYTES)
    return;
  if (p->head.chunk > 1 &&
      c->places.len / sizeof(uint32_t) % p->head.chunk != 0)
    return; /* a chunk travels together */
  seal(L, p);
  p->limit = BATCH_ITEMS;
}

static lua_Integer list_length(lua_State *L, int t) {
  lua_Integer n;
  int isint;
  lua_pushliteral(L, "n");
  lua_rawget(L, t);
  n = lua_tointegerx(L, -1, &isint);
  lua_pop(L, 1);
  return isint ? n : luaL_len(L, t);
}

/* stack top: a list of arguments -> its values; their number */
static int spread(lua_State *L, lua_Integer item) {
  int t = lua_gettop(L);
  if (!lua_istable(L, t))
    return luaL_error(L, "item %I is a %s, not a list of arguments", item,
                      luaL_typename(L, t));
  lua_Integer n = list_length(L, t);
  if (n < 0 || n > 100000)
    return luaL_error(L, "item %I has too many arguments", item);
  luaL_checkstack(L, (int)n + 8, "too many arguments of an item");
  for (lua_Integer i = 1; i <= n; i++)
    lua_geti(L, t, i);
  return (int)n;
}

static void begin_put(lua_State *L, struct put *p, lua_Integer id,
                      lua_Integer fn, lua_Number timeout) {
  memset(p, 0, sizeof *p);
  p->c = check(L);
  if (fn < 1 || fn > p->c->nknown)
    luaL_error(L, "no function number %I", fn);
  p->head.function = p->c->known[fn - 1].place;
  p->head.job = (uint64_t)id;
  if (timeout > 0 && timeout < 1e9)
    p->head.timeout = (uint64_t)(timeout * 1e9) + 1;
  p->limit = FIRST_ITEMS;
  forget_batch(p->c);
}

static lua_Integer field(lua_State *L, int t, const char *name) {
  lua_getfield(L, t, name);
  lua_Integer v = lua_isboolean(L, -1) ? lua_toboolean(L, -1)
                                       : luaL_optinteger(L, -1, 0);
  lua_pop(L, 1);
  return v;
}

/* a job: id, fn, timeout, chunk */
static void read_put(lua_State *L, int t, struct put *p) {
  lua_getfield(L, t, "timeout");
  lua_Number timeout = luaL_optnumber(L, -1, 0);
  lua_pop(L, 1);
  begin_put(L, p, field(L, t, "id"), field(L, t, "fn"), timeout);
  p->head.chunk = (uint32_t)field(L, t, "chunk");
}

/*
** core:put(job, items, from, to, number, stream): stages items[from..to], as
** the job's items of the same numbers, the pool's from `number` on; job.spread:
** each item is a list of arguments.  With `stream` they are submitted as they
** are ready.  When it raises, nothing but what was staged is left: unstage.
*/
static int core_put(lua_State *L) {
  struct put p;
  read_put(L, 2, &p);
  lua_Integer from = luaL_checkinteger(L, 4), to = luaL_checkinteger(L, 5);
  p.head.first = (uint64_t)from;
  p.head.number = (uint64_t)luaL_checkinteger(L, 6);
  p.stream = lua_toboolean(L, 7);
  int spreads = (int)field(L, 2, "spread");
  int raw = lua_type(L, 3) == LUA_TTABLE && !luaL_getmetafield(L, 3, "__index");
  lua_settop(L, 3);
  for (lua_Integer i = from; i <= to; i++) {
    if (raw)
      lua_rawgeti(L, 3, i);
    else
      lua_geti(L, 3, i);
    if (spreads) {
      int n = spread(L, i);
      put_item(L, &p, 5, n);
    } else {
      put_item(L, &p, 4, 1);
    }
    lua_settop(L, 3);
  }
  seal(L, &p);
  return 0;
}

/* core:call(id, fn, args, number, timeout): a job of one item, of which all
** results are wanted: submitted */
static int core_call(lua_State *L) {
  struct put p;
  begin_put(L, &p, luaL_checkinteger(L, 2), luaL_checkinteger(L, 3),
            luaL_optnumber(L, 6, 0));
  p.head.first = 1;
  p.head.number = (uint64_t)luaL_checkinteger(L, 5);
  p.head.flags = MP_POOL_ALL_RESULTS;
  p.stream = 1;
  lua_settop(L, 4);
  int n = lua_isnil(L, 4) ? 0 : spread(L, 1);
  put_item(L, &p, 5, n);
  seal(L, &p);
  return 0;
}

static int core_submit(lua_State *L) {
  struct mp_pool_core *c = check(L);
  must(L, mp_pool_submit(c->arena, mp_pool_of(c)), "Pool");
  return 0;
}

static int core_unstage(lua_State *L) {
  struct mp_pool_core *c = check(L);
  forget_batch(c);
  mp_pool_unstage(c->arena, mp_pool_of(c));
  return 0;
}

/* core:withdraw(job number) -> items that no worker had taken */
static int core_withdraw(lua_State *L) {
  struct mp_pool_core *c = check(L);
  uint64_t n, job = (uint64_t)luaL_checkinteger(L, 2);
  must(L, mp_pool_withdraw(c->arena, mp_pool_of(c), job, &n), "Pool");
  lua_pushinteger(L, (lua_Integer)n);
  return 1;
}

/* scalars(items, from, to) -> can none of these fail to be sent? */
static int pool_scalars(lua_State *L) {
  lua_Integer from = luaL_checkinteger(L, 2), to = luaL_checkinteger(L, 3);
  int yes = lua_istable(L, 1) && !luaL_getmetafield(L, 1, "__index");
  lua_settop(L, 1);
  for (lua_Integer i = from; yes && i <= to; i++) {
    int t = lua_rawgeti(L, 1, i);
    yes = t == LUA_TNUMBER || t == LUA_TSTRING || t == LUA_TBOOLEAN ||
          t == LUA_TNIL;
    lua_pop(L, 1);
  }
  lua_pushboolean(L, yes);
  return 1;
}

/* --- results ------------------------------------------------------------------ */

/* Where the results of a block go: stack indices of the job and its list of
** results (nil for a call: its one result is `value`, else `results` is packed). */
struct reading {
  int job, results;
  const struct mp_pool_block *block;
};

/* n values on top -> one table with n */
static void pack(lua_State *L, int n) {
  lua_createtable(L, n, 1);
  lua_insert(L, -n - 1);
  for (int i = n; i >= 1; i--)
    lua_rawseti(L, -i - 1, i);
  lua_pushinteger(L, n);
  lua_setfield(L, -2, "n");
}

/* {value, traceback, pid} of a task that failed */
static void set_error(lua_State *L, const struct reading *r, lua_Integer item,
                      int n) {
  lua_settop(L, lua_gettop(L) - n + (n > 2 ? 2 : n));
  for (; n < 2; n++)
    lua_pushnil(L);
  lua_createtable(L, 0, 3);
  lua_insert(L, -3);
  lua_setfield(L, -3, "traceback");
  lua_setfield(L, -2, "value");
  lua_pushinteger(L, (lua_Integer)r->block->pid);
  lua_setfield(L, -2, "pid");
  if (lua_getfield(L, r->job, "errors") != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, r->job, "errors");
  }
  lua_insert(L, -2);
  lua_rawseti(L, -2, item);
  lua_pop(L, 1);
}

static void read_result(lua_State *L, const struct reading *r,
                        lua_Integer item, const unsigned char **p,
                        const unsigned char *end) {
  unsigned char status = *p < end ? *(*p)++ : MP_ITEM_NOMEM;
  if (status == MP_ITEM_NOMEM) {
    lua_pushliteral(L, "not enough memory");
    set_error(L, r, item, 1);
    return;
  }
  int n = mp_item_read(L, p, end);
  if (n < 0) {
    set_error(L, r, item, 1);
  } else if (status == MP_ITEM_FAILED) {
    set_error(L, r, item, n);
  } else if (lua_isnil(L, r->results)) {
    if (n != 1)
      pack(L, n);
    lua_setfield(L, r->job, n == 1 ? "value" : "results");
  } else {
    if (n == 0)
      lua_pushnil(L);
    else
      lua_pop(L, n - 1);
    lua_rawseti(L, r->results, item);
  }
}

/* stack top: the job */
static void read_block(lua_State *L, const struct mp_pool_block *b) {
  int job = lua_gettop(L);
  uint32_t count = b->count;
  const unsigned char *p = (const unsigned char *)(b + 1);
  const unsigned char *end = (const unsigned char *)b + b->room;
  lua_getfield(L, job, "results");
  struct reading r = {job, job + 1, b};
  for (uint32_t i = 0; i < count; i++)
    read_result(L, &r, (lua_Integer)(b->first + i), &p, end);
  lua_settop(L, job);
}

/*
** core:collect(jobs, f): reads what workers have handed in into the results
** and errors of jobs[number], and calls f(job, first, count, seat) for each
** block.  The number of blocks; those of jobs that are gone are dropped.
*/
static int core_collect(lua_State *L) {
  struct mp_pool_core *c = check(L);
  mp_off off;
  lua_Integer blocks = 0;
  lua_settop(L, 3);
  luaL_checkstack(L, 300, NULL);
  for (;;) {
    must(L, mp_pool_collect(c->arena, mp_pool_of(c), &off), "Pool");
    if (off == 0)
      break;
    const struct mp_pool_block *b = mp_message_data(c->arena, off);
    lua_Integer first = (lua_Integer)b->first, count = b->count;
    lua_Integer seat = (lua_Integer)b->seat + 1;
    int known = lua_rawgeti(L, 2, (lua_Integer)b->job) == LUA_TTABLE;
    if (known)
      read_block(L, b);
    must(L, mp_pool_consume(c->arena, mp_pool_of(c), &off), "Pool");
    blocks++;
    if (known) {
      lua_pushvalue(L, 3);
      lua_insert(L, -2);
      lua_pushinteger(L, first);
      lua_pushinteger(L, count);
      lua_pushinteger(L, seat);
      lua_call(L, 4, 0);
      check(L); /* it may have been closed */
    }
    lua_settop(L, 3);
  }
  lua_pushinteger(L, blocks);
  return 1;
}

/* --- waiting ------------------------------------------------------------------- */

/* core:watch(seat, fd): wait tells when fd is readable */
static int core_watch(lua_State *L) {
  struct mp_pool_core *c = check(L);
  lua_Integer seat = luaL_checkinteger(L, 2);
  int fd = (int)luaL_checkinteger(L, 3);
  must(L, mp_pollset_add(c->watch, fd, (uint32_t)seat), "Pool");
  return 0;
}

static int core_unwatch(lua_State *L) {
  struct mp_pool_core *c = check(L);
  mp_pollset_remove(c->watch, (int)luaL_checkinteger(L, 2));
  return 0;
}

static int core_fileno(lua_State *L) {
  lua_pushinteger(L, check(L)->watch);
  return 1;
}

/* a moment of mp.now; nil: never */
static int64_t opt_moment(lua_State *L, int arg) {
  lua_Number s = luaL_optnumber(L, arg, 1e10);
  return s > 9e9 ? MP_FOREVER : s <= 0 ? 0 : (int64_t)(s * 1e9);
}

/*
** core:rearm(deadline): from now on the descriptor becomes readable with the
** next result, and at the deadline (nil: none): for event loops.
*/
static int core_rearm(lua_State *L) {
  struct mp_pool_core *c = check(L);
  struct mp_pool *p = mp_pool_of(c);
  must(L, mp_timer_set(c->timer, opt_moment(L, 2)), "Pool");
  atomic_store(&p->armed, 1);
  if (mp_pool_has_results(p) && atomic_exchange(&p->armed, 0))
    mp_fd_write(c->bell, "!", 1);
  return 0;
}

static int spin(struct mp_pool_core *c) {
  struct mp_pool *p = mp_pool_of(c);
  struct mp_pool_patience t;
  mp_pool_patience_init(&t);
  do {
    if (mp_pool_has_results(p))
      return 1;
  } while (mp_pool_patient(&t));
  return mp_pool_has_results(p);
}

static void drain(int fd) {
  char bytes[64];
  while (mp_fd_read(fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes)
    continue;
}

/* what woke us: a seat whose worker has ended, or 0 */
static lua_Integer awake(struct mp_pool_core *c) {
  enum { ROOM = 4 };
  uint32_t ready[ROOM];
  lua_Integer seat = 0;
  int n = mp_pollset_ready(c->watch, ready, ROOM);
  for (int i = 0; i < n; i++) {
    if (ready[i] == ON_BELL)
      drain(c->ear);
    else if (ready[i] == ON_TIMER)
      drain(c->timer);
    else
      seat = ready[i];
  }
  return seat;
}

/* Arm, look again, sleep: see ring in store/pool_worker.c. */
static int sleep_armed(struct mp_pool_core *c, int64_t deadline) {
  struct mp_pool *p = mp_pool_of(c);
  int rc = 0;
  mp_pool_nudge(p);
  atomic_store(&p->armed, 1);
  if (!mp_pool_has_results(p))
    rc = mp_poll_one(c->watch, POLLIN, deadline);
  atomic_store(&p->armed, 0);
  return rc;
}

/*
** core:work(deadline, jobs, f) -> seat of a worker that has ended, or nil:
** waits for results, the end of a worker or the deadline (mp.now's seconds;
** nil: none), then collects.  Blocks.
*/
static int core_work(lua_State *L) {
  struct mp_pool_core *c = check(L);
  int64_t deadline = opt_moment(L, 2);
  lua_Integer seat = 0;
  if (deadline == 0 || !spin(c)) {
    mp_interrupt_check(L); /* a signal while we spun interrupts no call */
    int rc = sleep_armed(c, deadline);
    if (rc == -EINTR)
      mp_interrupt_check(L);
    else
      must(L, rc, "cannot wait for the pool");
    seat = awake(c);
  }
  lua_remove(L, 2);
  core_collect(L);
  if (seat == 0)
    return 0;
  lua_pushinteger(L, seat);
  return 1;
}

/* --- workers ------------------------------------------------------------------- */

static uint32_t check_seat(lua_State *L, struct mp_pool_core *c) {
  lua_Integer seat = luaL_checkinteger(L, 2);
  luaL_argcheck(L, seat >= 1 && seat <= mp_pool_of(c)->nseats, 2,
                "no such seat");
  return (uint32_t)(seat - 1);
}

/* core:recover(seat) -> job number, item, how many are left, did it run it?;
** nothing when the dead worker had no work */
static int core_recover(lua_State *L) {
  struct mp_pool_core *c = check(L);
  struct mp_pool_wreck w;
  uint32_t seat = check_seat(L, c);
  must(L, mp_pool_recover(c->arena, mp_pool_of(c), seat, &w), "Pool");
  if (w.left == 0)
    return 0;
  lua_pushinteger(L, (lua_Integer)w.job);
  lua_pushinteger(L, (lua_Integer)w.first);
  lua_pushinteger(L, w.left);
  lua_pushboolean(L, w.ran != 0);
  return 4;
}

/* core:requeue(seat, skip) */
static int core_requeue(lua_State *L) {
  struct mp_pool_core *c = check(L);
  uint32_t seat = check_seat(L, c);
  uint32_t skip = (uint32_t)luaL_checkinteger(L, 3);
  must(L, mp_pool_requeue(c->arena, mp_pool_of(c), seat, skip), "Pool");
  return 0;
}

/* core:running(seat) -> job number, item or nil (between two), began
** (seconds), timeout (seconds, 0: none); or nothing */
static int core_running(lua_State *L) {
  struct mp_pool_core *c = check(L);
  struct mp_pool_running r;
  uint32_t seat = check_seat(L, c);
  int rc = mp_pool_running(c->arena, mp_pool_of(c), seat, &r);
  if (rc == 0)
    return 0;
  if (rc != -EAGAIN)
    must(L, rc, "Pool");
  lua_pushinteger(L, (lua_Integer)r.job);
  if (rc == 1)
    lua_pushinteger(L, (lua_Integer)r.item);
  else
    lua_pushnil(L);
  lua_pushnumber(L, (lua_Number)r.since / 1e9);
  lua_pushnumber(L, (lua_Number)r.timeout / 1e9);
  return 4;
}

static int core_condemn(lua_State *L) {
  struct mp_pool_core *c = check(L);
  mp_pool_condemn(mp_pool_of(c), check_seat(L, c), lua_toboolean(L, 3));
  return 0;
}

/* core:set_state("closed" | "stopped") */
static int core_set_state(lua_State *L) {
  static const char *const names[] = {"open", "closed", "stopped", NULL};
  struct mp_pool_core *c = check(L);
  int state = luaL_checkoption(L, 2, NULL, names);
  mp_pool_set_state(mp_pool_of(c), (enum mp_pool_state)state);
  return 0;
}

/* core:pending() -> items in line */
static int core_pending(lua_State *L) {
  struct mp_pool_core *c = check(L);
  lua_pushinteger(L, (lua_Integer)atomic_load(&mp_pool_of(c)->pending));
  return 1;
}

/* core:seat(seat) -> ready, leaving, tasks, busy seconds, bytes, working */
static int core_seat(lua_State *L) {
  struct mp_pool_core *c = check(L);
  struct mp_pool_seat *s = &mp_pool_of(c)->seats[check_seat(L, c)];
  int64_t since = atomic_load(&s->busy_since);
  lua_Number busy = (lua_Number)atomic_load(&s->busy) / 1e9;
  if (since != 0)
    busy += (lua_Number)(mp_now() - since) / 1e9;
  lua_pushboolean(L, atomic_load(&s->ready) != 0);
  lua_pushboolean(L, atomic_load(&s->leaving) != 0);
  lua_pushinteger(L, (lua_Integer)atomic_load(&s->tasks));
  lua_pushnumber(L, busy);
  lua_pushinteger(L, (lua_Integer)atomic_load(&s->memory));
  lua_pushboolean(L, since != 0);
  return 6;
}

static const luaL_Reg methods[] = {
    {"close", core_close},       {"bell", core_bell},
    {"enter", core_enter},       {"leave", core_leave_function},
    {"put", core_put},           {"call", core_call},
    {"submit", core_submit},     {"unstage", core_unstage},
    {"withdraw", core_withdraw}, {"collect", core_collect},
    {"watch", core_watch},       {"unwatch", core_unwatch},
    {"fileno", core_fileno},     {"rearm", core_rearm},
    {"work", core_work},         {"recover", core_recover},
    {"requeue", core_requeue},   {"running", core_running},
    {"condemn", core_condemn},   {"set_state", core_set_state},
    {"pending", core_pending},   {"seat", core_seat},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"new", core_new}, {"scalars", pool_scalars}, {NULL, NULL}};

int mp_open_pool(lua_State *L) {
  mp_pool_setup();
  lua_newtable(L);
  mp_handle_class(L, &mp_pool_kind, &core_ref, methods, NULL);
  lua_pop(L, 1);
  mp_handle_setfuncs(L, &mp_pool_kind, functions);
  return 1;
}
