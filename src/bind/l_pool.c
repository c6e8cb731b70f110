/*
** l_pool.c: the owner's side of a pool, multiprocessing.core.pool
** MIT licence, see LICENSE
**
** Results into Lua's lists, the one place where the owner waits, and what it
** must know of its workers; how items go off is in pool_send.c.  What to do
** about it all is decided in lua/multiprocessing/pool.
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
  mp_pool_must(L, mp_pool_init(mp_pool_of(c), n),
               "cannot make a pool");
  c->owner = mp_self_pid();
  mp_pool_must(L, open_descriptors(c), "cannot make a pool");
  return 1;
}

static int core_close(lua_State *L) {
  struct mp_pool_core *c = luaL_checkudata(L, 1, mp_pool_kind.name);
  mp_handle_close(&c->h, &mp_pool_kind);
  return 0;
}

static int core_bell(lua_State *L) {
  lua_pushinteger(L, mp_pool_core_check(L)->bell);
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

/* How many calls out of C a receiver may nest; it needs a few. */
enum { CALLS_MAX = 8 };

static int nest(lua_State *L) {
  lua_Integer left = lua_tointeger(L, 1);
  if (left > 0) {
    lua_pushcfunction(L, nest);
    lua_pushinteger(L, left - 1);
    lua_call(L, 1, 0);
  }
  return 0;
}

/*
** What is taken has to be noted: when Lua's limit of nested C calls is near
** (callbacks that wait for calls with callbacks), this raises before a block
** is taken; afterwards its job would never be finished.
*/
static void check_depth(lua_State *L) {
  lua_pushcfunction(L, nest);
  lua_pushinteger(L, CALLS_MAX);
  lua_call(L, 1, 0);
}

/*
** core:collect(jobs, f): reads what workers have handed in into the results
** and errors of jobs[number], and calls f(job, first, count, seat) for each
** block.  The number of blocks; those of jobs that are gone are dropped.
*/
static int core_collect(lua_State *L) {
  struct mp_pool_core *c = mp_pool_core_check(L);
  mp_off off;
  lua_Integer blocks = 0;
  lua_settop(L, 3);
  luaL_checkstack(L, 300, NULL);
  if (mp_pool_has_results(mp_pool_of(c)))
    check_depth(L);
  for (;;) {
    mp_pool_must(L, mp_pool_collect(c->arena, mp_pool_of(c), &off), "Pool");
    if (off == 0)
      break;
    const struct mp_pool_block *b = mp_message_data(c->arena, off);
    lua_Integer first = (lua_Integer)b->first, count = b->count;
    lua_Integer seat = (lua_Integer)b->seat + 1;
    int known = lua_rawgeti(L, 2, (lua_Integer)b->job) == LUA_TTABLE;
    if (known)
      read_block(L, b);
    mp_pool_must(L, mp_pool_consume(c->arena, mp_pool_of(c), &off), "Pool");
    blocks++;
    if (known) {
      lua_pushvalue(L, 3);
      lua_insert(L, -2);
      lua_pushinteger(L, first);
      lua_pushinteger(L, count);
      lua_pushinteger(L, seat);
      lua_call(L, 4, 0);
      mp_pool_core_check(L); /* it may have been closed */
    }
    lua_settop(L, 3);
  }
  lua_pushinteger(L, blocks);
  return 1;
}

/* --- waiting ------------------------------------------------------------------- */

/* core:watch(seat, fd): wait tells when fd is readable */
static int core_watch(lua_State *L) {
  struct mp_pool_core *c = mp_pool_core_check(L);
  lua_Integer seat = luaL_checkinteger(L, 2);
  int fd = (int)luaL_checkinteger(L, 3);
  mp_pool_must(L, mp_pollset_add(c->watch, fd, (uint32_t)seat),
               "cannot watch a worker of the pool");
  return 0;
}

static int core_unwatch(lua_State *L) {
  struct mp_pool_core *c = mp_pool_core_check(L);
  mp_pollset_remove(c->watch, (int)luaL_checkinteger(L, 2));
  return 0;
}

static int core_fileno(lua_State *L) {
  lua_pushinteger(L, mp_pool_core_check(L)->watch);
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
  struct mp_pool_core *c = mp_pool_core_check(L);
  struct mp_pool *p = mp_pool_of(c);
  mp_pool_must(L, mp_timer_set(c->timer, opt_moment(L, 2)), "Pool");
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
  struct mp_pool_core *c = mp_pool_core_check(L);
  int64_t deadline = opt_moment(L, 2);
  lua_Integer seat = 0;
  if (deadline == 0 || !spin(c)) {
    mp_interrupt_check(L); /* a signal while we spun interrupts no call */
    int rc = sleep_armed(c, deadline);
    if (rc == -EINTR)
      mp_interrupt_check(L);
    else
      mp_pool_must(L, rc, "cannot wait for the pool");
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
  struct mp_pool_core *c = mp_pool_core_check(L);
  struct mp_pool_wreck w;
  uint32_t seat = check_seat(L, c);
  mp_pool_must(L, mp_pool_recover(c->arena, mp_pool_of(c), seat, &w), "Pool");
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
  struct mp_pool_core *c = mp_pool_core_check(L);
  uint32_t seat = check_seat(L, c);
  uint32_t skip = (uint32_t)luaL_checkinteger(L, 3);
  mp_pool_must(L, mp_pool_requeue(c->arena, mp_pool_of(c), seat, skip), "Pool");
  return 0;
}

/* core:running(seat) -> job number, item or nil (between two), began
** (seconds), timeout (seconds, 0: none); or nothing */
static int core_running(lua_State *L) {
  struct mp_pool_core *c = mp_pool_core_check(L);
  struct mp_pool_running r;
  uint32_t seat = check_seat(L, c);
  int rc = mp_pool_running(c->arena, mp_pool_of(c), seat, &r);
  if (rc == 0)
    return 0;
  if (rc != -EAGAIN)
    mp_pool_must(L, rc, "Pool");
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
  struct mp_pool_core *c = mp_pool_core_check(L);
  mp_pool_condemn(mp_pool_of(c), check_seat(L, c), lua_toboolean(L, 3));
  return 0;
}

/* core:set_state("closed" | "stopped") */
static int core_set_state(lua_State *L) {
  static const char *const names[] = {"open", "closed", "stopped", NULL};
  struct mp_pool_core *c = mp_pool_core_check(L);
  int state = luaL_checkoption(L, 2, NULL, names);
  mp_pool_set_state(mp_pool_of(c), (enum mp_pool_state)state);
  return 0;
}

/* core:pending() -> items in line */
static int core_pending(lua_State *L) {
  struct mp_pool_core *c = mp_pool_core_check(L);
  lua_pushinteger(L, (lua_Integer)atomic_load(&mp_pool_of(c)->pending));
  return 1;
}

/* core:seat(seat) -> ready, leaving, tasks, busy seconds, bytes, working */
static int core_seat(lua_State *L) {
  struct mp_pool_core *c = mp_pool_core_check(L);
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
    {"collect", core_collect},
    {"watch", core_watch},       {"unwatch", core_unwatch},
    {"fileno", core_fileno},     {"rearm", core_rearm},
    {"work", core_work},         {"recover", core_recover},
    {"requeue", core_requeue},   {"running", core_running},
    {"condemn", core_condemn},   {"set_state", core_set_state},
    {"pending", core_pending},   {"seat", core_seat},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"new", core_new}, {"scalars", mp_pool_scalars}, {NULL, NULL}};

int mp_open_pool(lua_State *L) {
  mp_pool_setup();
  lua_newtable(L);
  mp_handle_class(L, &mp_pool_kind, &core_ref, methods, NULL);
  lua_getfield(L, -1, "__index");
  lua_pushvalue(L, -1);
  lua_setfield(L, -4, "methods");
  lua_insert(L, -2);
  luaL_setfuncs(L, mp_pool_send_methods, 1);
  lua_pop(L, 1);
  mp_handle_setfuncs(L, &mp_pool_kind, functions);
  return 1;
}
