/*
** pool_send.c: a pool's functions and items on their way to the workers
** MIT licence, see LICENSE
**
** Methods of the core of l_pool.c.  Items are gathered in private memory,
** then copied into a batch of the right size; a large one goes there at once.
*/

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/code.h"
#include "bind/core.h"
#include "bind/pool_core.h"
#include "bind/pool_items.h"

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
  mp_pool_must(L, mp_buf_reserve(&c->bytes, size), "Pool");
  mp_encoded_copy(e, c->bytes.data);
  c->bytes.len = size;
  uint64_t hash = hash_of(c->bytes.data, size);
  struct mp_pool_known *k = find_known(c, hash);
  if (k == NULL) {
    k = free_known(c);
    mp_pool_must(L, k == NULL ? -ENOMEM : learn(c, k, e, hash), "Pool");
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
  struct mp_pool_core *c = mp_pool_core_check(L);
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
  struct mp_pool_core *c = mp_pool_core_check(L);
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
  lua_Integer item; /* the place in the list; 0: the arguments of a call */
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
  mp_pool_must(L, rc, "cannot send items to the pool");
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
  mp_pool_must(L, rc, "cannot send items to the pool");
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
  mp_pool_must(L, mp_buf_put(&p->c->places, &place, sizeof place), "Pool");
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
  struct mp_codec_opts opts = mp_item_opts;
  opts.root = p->item != 0 ? "items" : "args[]";
  opts.item = p->item;
  struct mp_encoded *e = mp_encode(L, first, n, &opts);
  size_t size = MP_ITEM_HEAD + mp_encoded_size(e);
  const mp_off *refs;
  uint32_t nrefs = mp_encoded_refs(e, &refs);
  if (size > ALONE_BYTES) {
    put_alone(L, p, e);
  } else {
    add_place(L, p);
    mp_pool_must(L, mp_buf_reserve(&c->bytes, size), "Pool");
    mp_item_write_coded(e, c->bytes.data + c->bytes.len);
    c->bytes.len += size;
    mp_pool_must(L, mp_buf_put(&c->refs, refs, nrefs * sizeof *refs), "Pool");
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
    mp_pool_must(L, mp_buf_reserve(&c->bytes, size), "Pool");
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
  p->c = mp_pool_core_check(L);
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
    p.item = i;
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
  struct mp_pool_core *c = mp_pool_core_check(L);
  mp_pool_must(L, mp_pool_submit(c->arena, mp_pool_of(c)), "Pool");
  return 0;
}

static int core_unstage(lua_State *L) {
  struct mp_pool_core *c = mp_pool_core_check(L);
  forget_batch(c);
  mp_pool_unstage(c->arena, mp_pool_of(c));
  return 0;
}

/* core:withdraw(job number) -> items that no worker had taken */
static int core_withdraw(lua_State *L) {
  struct mp_pool_core *c = mp_pool_core_check(L);
  uint64_t n, job = (uint64_t)luaL_checkinteger(L, 2);
  mp_pool_must(L, mp_pool_withdraw(c->arena, mp_pool_of(c), job, &n), "Pool");
  lua_pushinteger(L, (lua_Integer)n);
  return 1;
}

/* scalars(items, from, to) -> can none of these fail to be sent? */
int mp_pool_scalars(lua_State *L) {
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

const luaL_Reg mp_pool_send_methods[] = {
    {"enter", core_enter},       {"leave", core_leave_function},
    {"put", core_put},           {"call", core_call},
    {"submit", core_submit},     {"unstage", core_unstage},
    {"withdraw", core_withdraw}, {NULL, NULL},
};
