/*
** l_wait.c: waiting for any of several things
** MIT licence, see LICENSE
**
** Descriptors are waited for by poll(2).  Shared objects have none; they are
** told of a bell (os/bell.h), which stands in the same poll.  The bell lives
** only as long as the call, so that nothing of it is left behind.  Between
** two Lua calls that could raise, nothing is held.
*/

#include "bind/modules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bind/core.h"
#include "bind/object.h"
#include "bind/waiting.h"
#include "os/bell.h"
#include "os/clock.h"
#include "os/poll.h"
#include "shm/slot.h"

/* Nobody rings for what the dead would have done, and where the list of
** bells is full: then one looks by oneself. */
#define LOOK_AGAIN (100 * MP_MS)
#define LOOK_OFTEN (10 * MP_MS)

static const char FIELD[] = "__mpwait";

struct entry {
  const struct mp_waitable *w; /* NULL: a descriptor */
  void *body;
  struct pollfd *pfd;
  int watched;
  int ready;
};

/* In one userdata: the entries, then the pollfds (the last one for the bell). */
struct waiting {
  struct entry *entry;
  struct pollfd *fds;
  int n, nfds;
  int shared; /* entries that are shared objects */
  int dies;
  int unheard; /* entries whose list of bells was full */
};

void mp_waitable_class(lua_State *L, const struct mp_waitable *w) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)w);
  lua_setfield(L, -2, FIELD);
}

/* --- the list ------------------------------------------------------------- */

static struct waiting *new_waiting(lua_State *L, int n) {
  size_t m = (size_t)n;
  struct waiting *w =
      lua_newuserdatauv(L, sizeof(*w) + m * sizeof(struct entry) +
                               (m + 1) * sizeof(struct pollfd), 0);
  memset(w, 0, sizeof(*w));
  w->n = n;
  w->entry = (struct entry *)(void *)(w + 1);
  w->fds = (struct pollfd *)(void *)(w->entry + n);
  memset(w->entry, 0, m * sizeof(struct entry));
  return w;
}

const struct mp_waitable *mp_waitable_of(lua_State *L, int index) {
  const struct mp_waitable *w = NULL;
  if (lua_type(L, index) == LUA_TUSERDATA &&
      luaL_getmetafield(L, index, FIELD) != LUA_TNIL) {
    w = lua_touserdata(L, -1);
    lua_pop(L, 1);
  }
  return w;
}

static void add_object(lua_State *L, struct waiting *w, struct entry *e) {
  const struct mp_handle *h = lua_touserdata(L, -1);
  if (h->off == 0)
    mp_raise(L, "ClosedError", "wait: an object in the list is closed");
  e->body = h->body;
  w->shared++;
  w->dies |= e->w->dies;
}

static void add_fd(lua_State *L, struct waiting *w, struct entry *e) {
  int is_integer;
  lua_Integer fd = lua_tointegerx(L, -1, &is_integer);
  if (!is_integer || fd < 0 || fd > INT32_MAX)
    luaL_argerror(L, 1, "list of objects and descriptors expected");
  e->pfd = &w->fds[w->nfds++];
  e->pfd->fd = (int)fd;
  e->pfd->events = POLLIN;
}

static struct waiting *collect(lua_State *L, int list) {
  int n = (int)lua_rawlen(L, list);
  struct waiting *w = new_waiting(L, n);
  for (int i = 0; i < n; i++) {
    struct entry *e = &w->entry[i];
    lua_rawgeti(L, list, i + 1);
    e->w = mp_waitable_of(L, -1);
    if (e->w != NULL)
      add_object(L, w, e);
    else
      add_fd(L, w, e);
    lua_pop(L, 1);
  }
  return w;
}

/* --- looking -------------------------------------------------------------- */

static int look_at_objects(struct waiting *w) {
  int ready = 0;
  for (int i = 0; i < w->n; i++) {
    struct entry *e = &w->entry[i];
    if (e->w != NULL && e->w->is_ready(e->body) != 0)
      ready += e->ready = 1;
  }
  return ready;
}

static int look_at_fds(struct waiting *w) {
  int ready = 0;
  for (int i = 0; i < w->n; i++) {
    struct entry *e = &w->entry[i];
    if (e->w == NULL && e->pfd->revents != 0)
      ready += e->ready = 1;
  }
  return ready;
}

/* The number ready now, or a negative errno. */
static int look(struct waiting *w) {
  int rc = w->nfds > 0 ? mp_poll(w->fds, w->nfds, 0) : 0;
  if (rc < 0)
    return rc;
  rc = look_at_fds(w);
  return rc + look_at_objects(w);
}

/* --- waiting -------------------------------------------------------------- */

static void watch(struct waiting *w, uint32_t bell) {
  w->unheard = 0;
  for (int i = 0; i < w->n; i++) {
    struct entry *e = &w->entry[i];
    if (e->w == NULL)
      continue;
    e->watched = e->w->watch(e->body, bell) == 0;
    w->unheard += !e->watched;
  }
}

static void unwatch(struct waiting *w, uint32_t bell) {
  for (int i = 0; i < w->n; i++) {
    struct entry *e = &w->entry[i];
    if (e->watched)
      e->w->unwatch(e->body, bell);
    e->watched = 0;
  }
}

static int64_t next_look(const struct waiting *w, int64_t deadline) {
  int64_t at;
  if (w->shared == 0)
    return deadline;
  at = mp_now() + (w->unheard > 0 ? LOOK_OFTEN : LOOK_AGAIN);
  return at < deadline ? at : deadline;
}

/* One sleep and a look.  The number ready, 0, or a negative errno. */
static int sleep_once(struct waiting *w, struct mp_bell *bell,
                      int64_t deadline) {
  int n = w->nfds;
  if (w->shared > 0) {
    w->fds[n].fd = bell->fd;
    w->fds[n].events = POLLIN;
    n++;
  }
  int rc = mp_poll(w->fds, n, next_look(w, deadline));
  if (rc < 0)
    return rc;
  if (rc == 0 && w->dies)
    mp_slot_sweep_idle(mp_arena_if_any());
  if (w->shared > 0)
    mp_bell_drain(bell);
  return look(w);
}

static int sleep_all(struct waiting *w, struct mp_bell *bell,
                     int64_t deadline) {
  int rc = look(w); /* what came before the bells were in place */
  while (rc == 0) {
    rc = sleep_once(w, bell, deadline);
    if (rc == 0 && mp_now() >= deadline)
      break;
  }
  return rc;
}

/* The number ready; 0 at the deadline; a negative errno. */
static int wait_for_any(struct waiting *w, int64_t deadline) {
  struct mp_bell bell = {.name = 0};
  int rc = look(w);
  if (rc != 0 || mp_now() >= deadline)
    return rc;
  if (w->shared > 0 && (rc = mp_bell_open(&bell)) < 0)
    return rc;
  watch(w, bell.name);
  rc = sleep_all(w, &bell, deadline);
  unwatch(w, bell.name);
  mp_bell_close(&bell);
  return rc;
}

/* --- the binding ---------------------------------------------------------- */

/* wait.any(list, timeout) -> list of the places of those that are ready */
static int wait_any(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  int64_t deadline = mp_opt_deadline(L, 2);
  struct waiting *w = collect(L, 1);
  int rc, n = 0;
  do
    rc = wait_for_any(w, deadline);
  while (rc == -EINTR && mp_interrupt_check(L));
  if (rc < 0)
    return mp_raise_code(L, rc, "wait");
  lua_createtable(L, rc, 0);
  for (int i = 0; i < w->n; i++) {
    if (!w->entry[i].ready)
      continue;
    lua_pushinteger(L, i + 1);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* wait.waitable(v): is it a shared object that can stand in the list? */
static int wait_waitable(lua_State *L) {
  lua_settop(L, 1);
  lua_pushboolean(L, mp_waitable_of(L, 1) != NULL);
  return 1;
}

static const luaL_Reg functions[] = {
    {"any", wait_any}, {"waitable", wait_waitable}, {NULL, NULL}};

int mp_open_wait(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
