/*
** pool.c: a pool of workers for hosts
** MIT licence, see LICENSE
**
** The pool itself is Lua's (lua/multiprocessing/embed.lua), in a lua_State of
** its own.  Its methods are kept in the registry by number, so that calling
** them takes no memory outside a protected call.  The host's callbacks run
** here, between two calls of Lua, not within one.
*/

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lauxlib.h"
#include "lualib.h"

#include "codec/codec.h"
#include "embed/error.h"
#include "embed/values.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/poll.h"
#include "os/pollset.h"
#include "os/program.h"

enum method {
  FACE, /* the object itself */
  SUBMIT, POLL, WAITING, READY, TAKE, FILENO, PENDING, CANCEL, CLOSE,
  TERMINATE, JOIN, METHODS
};

static const char *const names[METHODS] = {
    "", "submit", "poll", "waiting", "is_ready", "take", "fileno", "pending",
    "cancel", "close", "terminate", "join"};

struct mplua_pool {
  lua_State *L;
  int refs[METHODS];         /* in the registry */
  struct mplua_values view;  /* results, on a thread of L */
  int set;                   /* the descriptor for hosts: pool's and bell */
  int bell; /* an eventfd: something to do that the pool's does not tell of */
  int delivering;
  int doomed; /* freed in a callback */
};

/* --- calling Lua ---------------------------------------------------------- */

/* stack: n arguments -> results.  Balanced on failure.  0 or a code. */
static int call(mplua_pool *p, enum method m, int n, int results,
                struct mplua_error *e) {
  lua_State *L = p->L;
  lua_rawgeti(L, LUA_REGISTRYINDEX, p->refs[m]);
  lua_rawgeti(L, LUA_REGISTRYINDEX, p->refs[FACE]);
  lua_rotate(L, -n - 2, 2);
  int status = lua_pcall(L, n + 1, results, 0);
  return status == LUA_OK ? 0 : mp_fail_lua(L, status, e);
}

static int has_room(mplua_pool *p) {
  return lua_checkstack(p->L, LUA_MINSTACK);
}

/* The pool's descriptor learns what was submitted; what it cannot tell of
** rings the bell. */
static void refresh(mplua_pool *p) {
  static const uint64_t one = 1;
  if (call(p, FILENO, 0, 0, NULL) < 0 || call(p, READY, 0, 1, NULL) < 0)
    return;
  if (lua_toboolean(p->L, -1))
    mp_fd_write(p->bell, &one, sizeof one);
  lua_pop(p->L, 1);
}

/* A method without arguments or results. */
static int command(mplua_pool *p, enum method m) {
  if (!has_room(p))
    return -ENOMEM;
  int rc = call(p, m, 0, 0, NULL);
  refresh(p);
  return rc;
}

/* --- making one ----------------------------------------------------------- */

void mplua_pool_options_init(mplua_pool_options *o) {
  memset(o, 0, sizeof *o);
  o->start_method = "forkserver";
}

static void set_string(lua_State *L, const char *name, const char *s) {
  if (s == NULL)
    return;
  lua_pushstring(L, s);
  lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, uint64_t n) {
  if (n == 0)
    return;
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, name);
}

static void push_options(lua_State *L, const mplua_pool_options *o) {
  lua_newtable(L);
  set_integer(L, "processes", o->processes > 0 ? (uint64_t)o->processes : 0);
  set_integer(L, "maxtasksperchild",
              o->max_tasks_per_child > 0 ? (uint64_t)o->max_tasks_per_child
                                         : 0);
  set_integer(L, "memory_limit", o->memory_limit);
  set_string(L, "start_method", o->start_method);
  set_string(L, "executable", o->executable);
  set_string(L, "initializer", o->initializer);
  set_string(L, "path", o->path);
  set_string(L, "cpath", o->cpath);
  set_string(L, "name", o->name);
}

static void keep_methods(lua_State *L, mplua_pool *p) {
  for (int m = FACE + 1; m < METHODS; m++) {
    lua_getfield(L, -1, names[m]);
    p->refs[m] = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  p->refs[FACE] = luaL_ref(L, LUA_REGISTRYINDEX);
  p->view.L = lua_newthread(L);
  luaL_ref(L, LUA_REGISTRYINDEX);
}

/* (pool, options) */
static int open_pool(lua_State *L) {
  mplua_pool *p = lua_touserdata(L, 1);
  const mplua_pool_options *o = lua_touserdata(L, 2);
  luaL_openlibs(L);
  mplua_openlibs(L);
  if (o->open != NULL) {
    lua_pushcfunction(L, o->open);
    lua_call(L, 0, 0);
  }
  lua_getglobal(L, "require");
  lua_pushliteral(L, "multiprocessing.embed");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "new");
  push_options(L, o);
  lua_call(L, 1, 1);
  keep_methods(L, p);
  return 0;
}

static int open_descriptors(mplua_pool *p) {
  p->set = mp_pollset_open();
  if (p->set < 0)
    return p->set;
  p->bell = mp_fd_eventfd();
  return p->bell < 0 ? p->bell : mp_pollset_add(p->set, p->bell, 0);
}

static int watch(mplua_pool *p, struct mplua_error *e) {
  int rc = call(p, FILENO, 0, 1, e);
  if (rc < 0)
    return rc;
  rc = mp_pollset_add(p->set, (int)lua_tointeger(p->L, -1), 1);
  lua_pop(p->L, 1);
  return rc < 0 ? mp_fail_code(e, rc, "cannot watch the pool") : 0;
}

static int start(mplua_pool *p, const mplua_pool_options *o,
                 struct mplua_error *e) {
  int rc = open_descriptors(p);
  if (rc < 0)
    return mp_fail_code(e, rc, "cannot make a pool");
  lua_pushcfunction(p->L, open_pool);
  lua_pushlightuserdata(p->L, p);
  lua_pushlightuserdata(p->L, (void *)(uintptr_t)o);
  int status = lua_pcall(p->L, 2, 0, 0);
  return status == LUA_OK ? watch(p, e) : mp_fail_lua(p->L, status, e);
}

static int needs_target(const mplua_pool_options *o) {
  return o->executable == NULL && !mp_program_is_target() &&
         o->start_method != NULL && strcmp(o->start_method, "fork") != 0;
}

int mplua_pool_new(mplua_pool **out, const mplua_pool_options *o,
                   struct mplua_error *e) {
  mplua_pool_options defaults;
  mplua_pool_options_init(&defaults);
  o = o != NULL ? o : &defaults;
  if (needs_target(o))
    return mp_fail(e, MPLUA_ENOTARGET, "%s", mplua_strerror(MPLUA_ENOTARGET));
  mplua_pool *p = calloc(1, sizeof *p);
  if (p == NULL)
    return mp_fail_code(e, -ENOMEM, "cannot make a pool");
  p->set = p->bell = -1;
  p->L = luaL_newstate();
  int rc = p->L != NULL ? start(p, o, e)
                        : mp_fail_code(e, -ENOMEM, "cannot make a pool");
  if (rc < 0)
    mplua_pool_free(p);
  else
    *out = p;
  return rc;
}

/* --- submitting ----------------------------------------------------------- */

struct submission {
  mplua_pool *p;
  const char *how;  /* embed.lua's word */
  const char *what; /* NULL: the first of the values */
  const mplua_task *task;
  struct mp_buf values; /* a message */
  int flags;            /* of the codec */
};

static void push_task(lua_State *L, const mplua_task *t) {
  mplua_task *copy = lua_newuserdatauv(L, sizeof *copy, 0);
  memset(copy, 0, sizeof *copy);
  if (t != NULL)
    *copy = *t;
  if (copy->timeout > 0)
    lua_pushnumber(L, copy->timeout);
  else
    lua_pushnil(L);
  if (copy->retries > 0)
    lua_pushinteger(L, copy->retries);
  else
    lua_pushnil(L);
}

/* (submission) -> id */
static int submit(lua_State *L) {
  const struct submission *s = lua_touserdata(L, 1);
  const struct mp_codec_opts opts = {.flags = s->flags};
  lua_settop(L, 0);
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->p->refs[SUBMIT]);
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->p->refs[FACE]);
  lua_pushstring(L, s->how);
  push_task(L, s->task);
  if (s->what != NULL)
    lua_pushstring(L, s->what);
  if (s->values.len > 0 &&
      mp_decode(L, s->values.data, s->values.len, &opts) < 0)
    return lua_error(L);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

static int64_t submit_encoded(struct submission *s, struct mplua_error *e) {
  lua_State *L = s->p->L;
  if (!has_room(s->p))
    return mp_fail_code(e, -ENOMEM, "cannot submit a call");
  lua_pushcfunction(L, submit);
  lua_pushlightuserdata(L, s);
  int status = lua_pcall(L, 1, 1, 0);
  if (status != LUA_OK)
    return mp_fail_lua(L, status, e);
  int64_t id = (int64_t)lua_tointeger(L, -1);
  lua_pop(L, 1);
  refresh(s->p);
  return id;
}

static int64_t submit_values(mplua_pool *p, const char *how, const char *what,
                             const mplua_values *args, const mplua_task *t,
                             struct mplua_error *e) {
  struct submission s = {.p = p, .how = how, .what = what, .task = t};
  mp_buf_init(&s.values);
  int64_t rc = args != NULL ? mp_values_encode(args, &s.values, e) : 0;
  if (rc >= 0)
    rc = submit_encoded(&s, e);
  mp_buf_fini(&s.values);
  return rc;
}

int64_t mplua_pool_submit(mplua_pool *p, const char *function,
                          const mplua_values *args, const mplua_task *t,
                          struct mplua_error *e) {
  return submit_values(p, "name", function, args, t, e);
}

int64_t mplua_pool_submit_source(mplua_pool *p, const char *source,
                                 const mplua_values *args,
                                 const mplua_task *t, struct mplua_error *e) {
  return submit_values(p, "source", source, args, t, e);
}

/* The values go from state to state as they go from process to process; the
** shared objects among them are this process's in both. */
int64_t mplua_pool_submit_stack(mplua_pool *p, lua_State *L, int nargs,
                                const mplua_task *t, struct mplua_error *e) {
  static const struct mp_codec_opts opts = {
      .flags = MP_CODEC_CODE | MP_CODEC_SHARED, .root = "args[]"};
  struct submission s = {
      .p = p, .how = "function", .task = t, .flags = opts.flags};
  mp_buf_init(&s.values);
  int64_t rc =
      mp_values_encode_from(L, -nargs - 1, nargs + 1, &opts, &s.values, e);
  if (rc >= 0)
    rc = submit_encoded(&s, e);
  mp_buf_fini(&s.values);
  lua_pop(L, nargs + 1);
  return rc;
}

/* --- outcomes ------------------------------------------------------------- */

/* stack: base+1 id, task, failure, traceback, results... */
static void hand_out(mplua_pool *p, int base) {
  lua_State *L = p->L;
  struct mplua_error e = {.code = 0};
  int n = lua_gettop(L) - base - 4;
  const mplua_task *t = lua_touserdata(L, base + 2);
  if (!lua_isnil(L, base + 3)) {
    lua_pushvalue(L, base + 3);
    mp_fail_lua(L, LUA_ERRRUN, &e);
  }
  else if (lua_checkstack(p->view.L, n + LUA_MINSTACK))
    lua_xmove(L, p->view.L, n);
  else
    mp_fail_code(&e, -ENOMEM, "the results of a call");
  mplua_result r = {.task = (int64_t)lua_tointeger(L, base + 1),
                    .code = e.code,
                    .error = e.message,
                    .traceback = lua_tostring(L, base + 4),
                    .values = &p->view};
  if (t->callback != NULL)
    t->callback(t->data, &r);
  lua_settop(p->view.L, 0);
}

static int deliver(mplua_pool *p, int count) {
  int base = lua_gettop(p->L);
  int rc = 0;
  for (int i = 0; i < count && rc >= 0 && !p->doomed; i++) {
    rc = has_room(p) ? call(p, TAKE, 0, LUA_MULTRET, NULL) : -ENOMEM;
    if (rc >= 0)
      hand_out(p, base);
    lua_settop(p->L, base);
  }
  return rc < 0 ? rc : count;
}

static void drain(int bell) {
  uint64_t count;
  mp_fd_read(bell, &count, sizeof count);
}

int mplua_pool_poll(mplua_pool *p, double timeout) {
  if (p->delivering)
    return -EBUSY;
  if (!has_room(p))
    return -ENOMEM;
  drain(p->bell);
  if (timeout < 0)
    lua_pushnumber(p->L, (lua_Number)1e9);
  else
    lua_pushnumber(p->L, (lua_Number)timeout);
  int rc = call(p, POLL, 1, 1, NULL);
  if (rc >= 0) {
    int count = (int)lua_tointeger(p->L, -1);
    lua_pop(p->L, 1);
    p->delivering = 1;
    rc = deliver(p, count);
    p->delivering = 0;
  }
  if (p->doomed)
    mplua_pool_free(p);
  else
    refresh(p);
  return rc;
}

int mplua_pool_fileno(const mplua_pool *p) {
  return p->set;
}

int mplua_pool_pending(const mplua_pool *p) {
  mplua_pool *q = (mplua_pool *)(uintptr_t)p;
  if (!has_room(q) || call(q, PENDING, 0, 1, NULL) < 0)
    return -ENOMEM;
  int n = (int)lua_tointeger(p->L, -1);
  lua_pop(p->L, 1);
  return n;
}

/* --- ending --------------------------------------------------------------- */

/* stack: argument.  What the method answers: 1, 0, or a code. */
static int ask(mplua_pool *p, enum method m) {
  int rc = call(p, m, 1, 1, NULL);
  if (rc >= 0) {
    rc = lua_toboolean(p->L, -1);
    lua_pop(p->L, 1);
  }
  refresh(p);
  return rc;
}

int mplua_pool_cancel(mplua_pool *p, int64_t task) {
  if (!has_room(p))
    return -ENOMEM;
  lua_pushinteger(p->L, (lua_Integer)task);
  return ask(p, CANCEL);
}

int mplua_pool_close(mplua_pool *p) {
  return command(p, CLOSE);
}

int mplua_pool_terminate(mplua_pool *p) {
  return command(p, TERMINATE);
}

int mplua_pool_join(mplua_pool *p, double timeout) {
  if (!has_room(p))
    return -ENOMEM;
  if (timeout < 0)
    lua_pushnil(p->L);
  else
    lua_pushnumber(p->L, (lua_Number)timeout);
  return ask(p, JOIN);
}

lua_State *mplua_pool_state(mplua_pool *p) {
  return p->L;
}

void mplua_pool_free(mplua_pool *p) {
  if (p == NULL)
    return;
  p->doomed = p->delivering;
  if (p->delivering)
    return;
  if (p->L != NULL && p->refs[FACE] != 0 && has_room(p)) {
    call(p, TERMINATE, 0, 0, NULL);
    mplua_pool_join(p, 2);
  }
  if (p->L != NULL)
    lua_close(p->L);
  if (p->bell >= 0)
    mp_fd_close(p->bell);
  if (p->set >= 0)
    mp_fd_close(p->set);
  free(p);
}
