/*
** l_server.c: what a manager's server needs, multiprocessing.core.server
** MIT licence, see LICENSE
**
** A token is a shared object without contents.  The server holds one for each
** of its objects, and so does every proxy, wherever it is (also in a message):
** when the server's handle is the only one left, no proxy exists any more.
** A poller tells which of many sockets are ready.
*/

#include "bind/modules.h"

#include <errno.h>
#include <string.h>


#include "bind/core.h"
#include "bind/interrupt.h"
#include "bind/object.h"
#include "bind/waiting.h"
#include "os/address.h"
#include "os/bell.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/poll.h"
#include "os/pollset.h"
#include "os/will.h"

/* --- tokens --------------------------------------------------------------- */

static const struct mp_kind kind = {.name = "multiprocessing.core.Token",
                                    .type = MP_T_TOKEN};

static void token_push(lua_State *L, mp_off off) {
  mp_handle_push(L, &kind, off);
}

static const struct mp_ref_type ref = {
    .id = MP_T_TOKEN, .place = mp_handle_place, .push = token_push};

/* server.token() */
static int token_new(lua_State *L) {
  mp_handle_create(L, &kind, sizeof(struct mp_object));
  return 1;
}

/* How many handles there are, this one included: alone when it is 1.  From 1
** it cannot rise: there is nobody left who could pass it on. */
static int token_count(lua_State *L) {
  const volatile struct mp_object *o = mp_handle_check(L, 1, &kind)->body;
  lua_pushinteger(L, (lua_Integer)o->count);
  return 1;
}

static int token_close(lua_State *L) {
  struct mp_handle *h = mp_handle_test(L, 1, &kind);
  if (h != NULL)
    mp_handle_close(h, &kind);
  return 0;
}

static const luaL_Reg token_methods[] = {
    {"count", token_count}, {"close", token_close}, {NULL, NULL}};

/* --- pollers -------------------------------------------------------------- */

static const char POLLER[] = "multiprocessing.core.Poller";

struct poller {
  int set;             /* -1: closed */
  struct mp_bell bell; /* rung by what is in memory, while this sleeps */
};

static struct poller *check_poller(lua_State *L) {
  struct poller *p = luaL_checkudata(L, 1, POLLER);
  if (p->set < 0)
    mp_raise(L, "ClosedError", "this poller is closed");
  return p;
}

static int check_rc(lua_State *L, int rc) {
  return rc < 0 ? mp_raise_code(L, rc, "cannot watch a descriptor") : 0;
}

/* server.poller() */
static int poller_new(lua_State *L) {
  struct poller *p = lua_newuserdatauv(L, sizeof *p, 0);
  memset(p, 0, sizeof *p);
  p->set = -1;
  luaL_setmetatable(L, POLLER);
  int rc = mp_pollset_open();
  check_rc(L, rc);
  p->set = rc;
  return 1;
}

static int poller_close(lua_State *L) {
  struct poller *p = luaL_checkudata(L, 1, POLLER);
  if (p->set >= 0)
    mp_fd_close(p->set);
  p->set = -1;
  mp_bell_close(&p->bell);
  return 0;
}

/* poller:add(fd, number): to be read from */
static int poller_add(lua_State *L) {
  int set = check_poller(L)->set;
  return check_rc(L, mp_pollset_add(set, (int)luaL_checkinteger(L, 2),
                                    (uint32_t)luaL_checkinteger(L, 3)));
}

/* poller:change(fd, number, in, out) */
static int poller_change(lua_State *L) {
  int set = check_poller(L)->set;
  return check_rc(L, mp_pollset_change(set, (int)luaL_checkinteger(L, 2),
                                       (uint32_t)luaL_checkinteger(L, 3),
                                       lua_toboolean(L, 4),
                                       lua_toboolean(L, 5)));
}

/* poller:ready() -> the numbers of some that are */
static int poller_ready(lua_State *L) {
  uint32_t numbers[16];
  int n = mp_pollset_ready(check_poller(L)->set, numbers, 16);
  check_rc(L, n);
  for (int i = 0; i < n; i++)
    lua_pushinteger(L, numbers[i]);
  return n;
}

/* Rung by the object, or woken by a socket.  Nobody rings for what the dead
** would have done: so not for ever. */
static int sleep_for(struct poller *p, const struct mp_waitable *w, void *body,
                     int64_t deadline) {
  struct pollfd fds[2] = {{.fd = p->set, .events = POLLIN},
                          {.fd = p->bell.fd, .events = POLLIN}};
  int64_t again = mp_now() + 100 * MP_MS;
  w->watch(body, p->bell.name);
  int rc = w->is_ready(body);
  if (rc == 0)
    rc = mp_poll(fds, 2, deadline < again ? deadline : again);
  w->unwatch(body, p->bell.name);
  mp_bell_drain(&p->bell);
  return rc;
}

/* poller:sleep(object, timeout): until a descriptor or the shared object is
** ready; at times earlier */
static int poller_sleep(lua_State *L) {
  struct poller *p = check_poller(L);
  const struct mp_waitable *w = mp_waitable_of(L, 2);
  luaL_argexpected(L, w != NULL, 2, "shared object");
  const struct mp_handle *h = lua_touserdata(L, 2);
  int64_t deadline = mp_opt_deadline(L, 3);
  int rc = p->bell.name != 0 ? 0 : mp_bell_open(&p->bell);
  check_rc(L, rc);
  if (h->off != 0)
    rc = sleep_for(p, w, h->body, deadline);
  if (rc == -EINTR)
    mp_interrupt_check(L);
  return 0;
}

static int poller_fileno(lua_State *L) {
  lua_pushinteger(L, check_poller(L)->set);
  return 1;
}

static const luaL_Reg poller_methods[] = {
    {"add", poller_add},       {"change", poller_change},
    {"ready", poller_ready},   {"fileno", poller_fileno},
    {"sleep", poller_sleep},   {"close", poller_close},
    {"__gc", poller_close},
    {NULL, NULL}};

/* --- the process ---------------------------------------------------------- */

/* leave_no_path(path): it is removed also when this process is terminated */
static int server_leave_no_path(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  struct mp_file_id id;
  mp_address_file(path, &id);
  int rc = mp_will_remove(path, &id);
  return rc < 0 ? mp_raise_code(L, rc, "cannot watch over a path") : 0;
}

/* ignore_interrupts(): Ctrl-C is for the one who started this process */
static int server_ignore_interrupts(lua_State *L) {
  (void)L;
  mp_interrupt_ignore();
  return 0;
}

static const luaL_Reg functions[] = {
    {"poller", poller_new},
    {"leave_no_path", server_leave_no_path},
    {"ignore_interrupts", server_ignore_interrupts},
    {NULL, NULL}};

static const luaL_Reg token_functions[] = {{"token", token_new}, {NULL, NULL}};

int mp_open_server(lua_State *L) {
  luaL_newmetatable(L, POLLER);
  luaL_setfuncs(L, poller_methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  mp_handle_class(L, &kind, &ref, token_methods, NULL);
  lua_pop(L, 1);
  mp_handle_setfuncs(L, &kind, token_functions);
  return 1;
}
