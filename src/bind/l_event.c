/*
** l_event.c: Event as Lua sees it
** MIT licence, see LICENSE
*/

#include <errno.h>

#include "bind/core.h"
#include "bind/sync.h"
#include "sync/event.h"

static const struct mp_kind kind = {.name = "multiprocessing.Event",
                                    .type = MP_T_EVENT};

static void event_push(lua_State *L, mp_off off) {
  mp_handle_push(L, &kind, off);
}

static const struct mp_ref_type ref = {
    .id = MP_T_EVENT, .place = mp_handle_place, .push = event_push};

static struct mp_event *check(lua_State *L) {
  return mp_handle_check(L, 1, &kind)->body;
}

static int event_set(lua_State *L) {
  mp_event_set(check(L));
  return 0;
}

static int event_clear(lua_State *L) {
  mp_event_clear(check(L));
  return 0;
}

static int event_is_set(lua_State *L) {
  lua_pushboolean(L, mp_event_is_set(check(L)));
  return 1;
}

static int event_wait(lua_State *L) {
  struct mp_event *e = check(L);
  int64_t deadline = mp_opt_deadline(L, 2);
  uint32_t seen = mp_event_begin(e);
  int rc;
  do
    rc = mp_event_wait(e, seen, deadline);
  while (rc == -EINTR && mp_interrupt_check(L));
  lua_pushboolean(L, rc == 0);
  return 1;
}

static int new_event(lua_State *L) {
  mp_handle_create(L, &kind, sizeof(struct mp_event));
  return 1;
}

static const luaL_Reg methods[] = {{"set", event_set},
                                   {"clear", event_clear},
                                   {"is_set", event_is_set},
                                   {"wait", event_wait},
                                   {NULL, NULL}};

static const luaL_Reg functions[] = {{"event", new_event}, {NULL, NULL}};

void mp_add_event(lua_State *L) {
  mp_sync_class(L, "Event", &kind, &ref, methods, NULL);
  luaL_setfuncs(L, functions, 0);
}
