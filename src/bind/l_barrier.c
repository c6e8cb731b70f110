/*
** l_barrier.c: Barrier as Lua sees it
** MIT licence, see LICENSE
**
** The action is a Lua function.  The handle that made the barrier, and its
** copies in forked children, keep it as a user value; other processes decode it
** from the message that the barrier owns, when they first need it.
*/

#include <errno.h>
#include <math.h>

#include "base/code.h"
#include "bind/core.h"
#include "bind/sync.h"
#include "os/clock.h"
#include "sync/barrier.h"
#include "sync/keep.h"

static const struct mp_kind kind = {.name = "multiprocessing.Barrier",
                                    .type = MP_T_BARRIER,
                                    .uservalues = 1};

static const struct mp_codec_opts codec = {
    .flags = MP_CODEC_CODE | MP_CODEC_SHARED};

static void barrier_push(lua_State *L, mp_off off) {
  mp_handle_push(L, &kind, off);
}

static const struct mp_ref_type ref = {
    .id = MP_T_BARRIER, .place = mp_handle_place, .push = barrier_push};

static struct mp_barrier *check(lua_State *L) {
  return mp_handle_check(L, 1, &kind)->body;
}

static int raise(lua_State *L, int rc) {
  if (rc == -ETIMEDOUT)
    return mp_raise(L, "BrokenBarrierError",
                    "the other parties did not come in time");
  if (rc == MP_EBROKEN)
    return mp_raise(L, "BrokenBarrierError",
                    "the barrier is broken (reset makes it whole)");
  return mp_raise_code(L, rc, "Barrier");
}

/* --- the action ----------------------------------------------------------- */

/* Pushes the action: ours, or decoded. */
static void push_action(lua_State *L, const struct mp_barrier *b) {
  struct mp_arena *a = mp_arena_if_any();
  if (lua_getiuservalue(L, 1, 1) != LUA_TNIL)
    return;
  lua_pop(L, 1);
  if (b->action == 0)
    luaL_error(L, "this Barrier's action could not be sent to this process");
  int n = mp_decode(L, mp_message_data(a, b->action),
                    (size_t)mp_message_size(a, b->action), &codec);
  if (n < 0)
    lua_error(L);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, 1);
}

/* stack: barrier; runs protected */
static int run_action(lua_State *L) {
  push_action(L, check(L));
  lua_call(L, 0, 0);
  return 0;
}

/* The seat is held meanwhile, so nothing may be raised past it. */
static int act(lua_State *L, struct mp_barrier *b, struct mp_barrier_wait *w) {
  struct mp_arena *a = mp_arena_if_any();
  lua_pushcfunction(L, run_action);
  lua_pushvalue(L, 1);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK)
    return mp_barrier_done(a, b, w);
  mp_barrier_abort(a, b);
  mp_barrier_leave(a, b, w);
  return lua_error(L);
}

/* --- wait ----------------------------------------------------------------- */

static int run_interrupt(lua_State *L) {
  mp_interrupt_check(L);
  return 0;
}

static int interrupt_caught(lua_State *L) {
  lua_pushcfunction(L, run_interrupt);
  return lua_pcall(L, 0, 0, 0);
}

static int64_t wait_deadline(lua_State *L, const struct mp_barrier *b) {
  if (!lua_isnoneornil(L, 2) || b->timeout == MP_FOREVER)
    return mp_opt_deadline(L, 2);
  int64_t now = mp_now();
  return b->timeout > MP_FOREVER - now ? MP_FOREVER : now + b->timeout;
}

static int barrier_wait(lua_State *L) {
  struct mp_arena *a = mp_arena_if_any();
  struct mp_barrier *b = check(L);
  int64_t deadline = wait_deadline(L, b);
  struct mp_barrier_wait w;
  luaL_checkstack(L, 6, NULL);
  int rc = mp_barrier_begin(a, b, &w);
  if (rc < 0)
    return raise(L, rc);
  while ((rc = mp_barrier_step(a, b, &w, deadline)) == -EINTR) {
    if (interrupt_caught(L) == LUA_OK)
      continue;
    mp_barrier_leave(a, b, &w);
    return lua_error(L);
  }
  if (rc == 0)
    rc = act(L, b, &w);
  if (rc < 0)
    return raise(L, rc);
  lua_pushinteger(L, rc);
  return 1;
}

/* --- the rest ------------------------------------------------------------- */

static int barrier_reset(lua_State *L) {
  int rc = mp_barrier_reset(mp_arena_if_any(), check(L));
  return rc < 0 ? raise(L, rc) : 0;
}

static int barrier_abort(lua_State *L) {
  int rc = mp_barrier_abort(mp_arena_if_any(), check(L));
  return rc < 0 ? raise(L, rc) : 0;
}

static int get_parties(lua_State *L) {
  lua_pushinteger(L, check(L)->parties);
  return 1;
}

static int get_n_waiting(lua_State *L) {
  int n = mp_barrier_waiting(mp_arena_if_any(), check(L));
  if (n < 0)
    return raise(L, n);
  lua_pushinteger(L, n);
  return 1;
}

static int get_broken(lua_State *L) {
  lua_pushboolean(L, mp_barrier_is_broken(check(L)));
  return 1;
}

static const luaL_Reg fields[] = {{"parties", get_parties},
                                  {"n_waiting", get_n_waiting},
                                  {"broken", get_broken},
                                  {NULL, NULL}};

/* upvalue 2: methods, 3: getters */
static int barrier_index(lua_State *L) {
  lua_settop(L, 2);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL)
    return 1;
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(3)) == LUA_TNIL)
    return 1;
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

/* stack: barrier, action.  A function that cannot be sent still runs here and
** in forked children. */
static int keep_action(lua_State *L) {
  struct mp_arena *a = mp_arena_if_any();
  struct mp_barrier *b = check(L);
  const mp_off *refs;
  mp_off message;
  lua_settop(L, 2);
  struct mp_encoded *e = mp_encode(L, 2, 1, &codec);
  uint32_t nrefs = mp_encoded_refs(e, &refs);
  int rc = mp_message_alloc(a, (size_t)mp_encoded_size(e), refs, nrefs,
                            &message);
  if (rc == 0)
    mp_encoded_copy(e, mp_message_data(a, message));
  mp_encoded_done(L, e);
  if (rc == 0)
    rc = mp_keep_block(a, &b->guard, &b->action, message);
  return rc < 0 ? mp_raise_code(L, rc, "Barrier") : 0;
}

static int64_t check_timeout(lua_State *L, int arg) {
  if (lua_isnoneornil(L, arg))
    return MP_FOREVER;
  lua_Number s = luaL_checknumber(L, arg);
  luaL_argcheck(L, !isnan(s), arg, "timeout is not a number (NaN)");
  if (s <= 0)
    return 0;
  return s > 9e9 ? MP_FOREVER : (int64_t)(s * (lua_Number)MP_SECOND);
}

/* barrier(parties, action or nil, timeout or nil) */
static int new_barrier(lua_State *L) {
  lua_Integer parties = luaL_checkinteger(L, 1);
  int has_action = !lua_isnoneornil(L, 2);
  int64_t timeout = check_timeout(L, 3);
  luaL_argcheck(L, parties >= 1 && parties <= INT32_MAX, 1,
                "1 or more expected");
  struct mp_handle *h =
      mp_handle_create(L, &kind, sizeof(struct mp_barrier));
  int rc = mp_barrier_init(h->body, (uint32_t)parties, has_action, timeout);
  if (rc < 0)
    return raise(L, rc);
  if (!has_action)
    return 1;
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, 1);
  lua_pushcfunction(L, keep_action);
  lua_pushvalue(L, -2);
  lua_pushvalue(L, 2);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK)
    lua_pop(L, 1);
  return 1;
}

static const luaL_Reg methods[] = {{"wait", barrier_wait},
                                   {"reset", barrier_reset},
                                   {"abort", barrier_abort},
                                   {NULL, NULL}};

static const luaL_Reg functions[] = {{"barrier", new_barrier}, {NULL, NULL}};

/* stack: module.  The class's __index reads fields, too. */
static void set_index(lua_State *L) {
  luaL_getmetatable(L, kind.name);
  lua_pushvalue(L, -1);
  lua_getfield(L, -3, "Barrier");
  luaL_newlib(L, fields);
  lua_pushcclosure(L, barrier_index, 3);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

void mp_add_barrier(lua_State *L) {
  mp_sync_class(L, "Barrier", &kind, &ref, methods, NULL);
  set_index(L);
  luaL_setfuncs(L, functions, 0);
}
