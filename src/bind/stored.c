/*
** stored.c: what dicts and lists keep, as Lua values
** MIT licence, see LICENSE
*/

#include "bind/stored.h"

#include <errno.h>
#include <string.h>

#include "base/code.h"
#include "bind/core.h"
#include "bind/message.h"
#include "os/clock.h"

static const char snapshot_name[] = "multiprocessing.snapshot";

/* --- keys ----------------------------------------------------------------- */

static int raise_key(lua_State *L, int arg, const char *what) {
  const char *got = luaL_typename(L, arg);
  return luaL_error(L, "bad key for a %s (string, number or boolean expected, "
                       "got %s)", what, got);
}

/* A float that is an integer is that integer, as in Lua's own tables. */
static void take_number(lua_State *L, int arg, struct mp_key *k,
                        const char *what) {
  int exact;
  lua_Integer i = lua_tointegerx(L, arg, &exact);
  if (exact) {
    mp_key_int(k, i);
    return;
  }
  k->type = MP_S_FLOAT;
  k->number.d = (double)lua_tonumber(L, arg);
  if (k->number.d != k->number.d)
    luaL_error(L, "bad key for a %s (not a number: NaN)", what);
  k->data = &k->number;
  k->size = sizeof k->number.d;
  k->hash = mp_key_hash(k);
}

static void take_boolean(lua_State *L, int arg, struct mp_key *k) {
  k->type = lua_toboolean(L, arg) ? MP_S_TRUE : MP_S_FALSE;
  k->data = &k->number;
  k->size = 0;
  k->hash = mp_key_hash(k);
}

void mp_key_check(lua_State *L, int arg, struct mp_key *k, const char *what) {
  size_t size;
  const char *s;
  switch (lua_type(L, arg)) {
  case LUA_TSTRING:
    s = lua_tolstring(L, arg, &size);
    if (size > UINT32_MAX)
      luaL_error(L, "a key of more than 4 GiB");
    mp_key_string(k, s, size);
    break;
  case LUA_TNUMBER:
    take_number(L, arg, k, what);
    break;
  case LUA_TBOOLEAN:
    take_boolean(L, arg, k);
    break;
  default:
    raise_key(L, arg, what);
  }
}

/* --- values in ------------------------------------------------------------ */

struct mp_encoded *mp_value_take(lua_State *L, int arg, struct mp_value *v) {
  size_t size;
  const char *s;
  switch (lua_type(L, arg)) {
  case LUA_TSTRING:
    s = lua_tolstring(L, arg, &size);
    mp_value_string(v, s, size);
    return NULL;
  case LUA_TNUMBER:
    if (lua_isinteger(L, arg))
      mp_value_int(v, lua_tointeger(L, arg));
    else
      mp_value_float(v, (double)lua_tonumber(L, arg));
    return NULL;
  case LUA_TBOOLEAN:
    mp_value_bool(v, lua_toboolean(L, arg));
    return NULL;
  default:
    v->type = MP_S_MESSAGE;
    return mp_message_encode(L, arg, &v->p);
  }
}

void mp_value_done(lua_State *L, struct mp_encoded *e) {
  if (e != NULL)
    mp_encoded_done(L, e);
}

/* --- values out ----------------------------------------------------------- */

int mp_plain_push(lua_State *L, unsigned type, const void *bytes,
                  size_t size) {
  int64_t i;
  double d;
  switch (type) {
  case MP_S_INT:
    memcpy(&i, bytes, sizeof i);
    lua_pushinteger(L, (lua_Integer)i);
    break;
  case MP_S_FLOAT:
    memcpy(&d, bytes, sizeof d);
    lua_pushnumber(L, (lua_Number)d);
    break;
  case MP_S_STRING:
    lua_pushlstring(L, bytes, size);
    break;
  default:
    lua_pushboolean(L, type == MP_S_TRUE);
  }
  return 1;
}

static int push_string(lua_State *L) {
  const struct mp_got *got = lua_touserdata(L, 1);
  lua_pushlstring(L, got->bytes, (size_t)got->size);
  return 1;
}

/* Pushes the value or an error value; never raises. */
static int push_long(lua_State *L, struct mp_arena *a, struct mp_got *got) {
  struct mp_item item = {.data = got->bytes, .size = got->size, .block = 0};
  if (got->type == MP_S_MESSAGE)
    return mp_message_decode(L, a, &item);
  if (!lua_checkstack(L, 4))
    return -ENOMEM;
  lua_pushcfunction(L, push_string);
  lua_pushlightuserdata(L, got);
  return lua_pcall(L, 1, 1, 0) == LUA_OK ? 1 : -ENOMEM;
}

int mp_got_push(lua_State *L, struct mp_got *got) {
  if (!got->attached && got->type != MP_S_MESSAGE)
    return mp_plain_push(L, got->type, got->bytes, (size_t)got->size);
  struct mp_arena *a = mp_arena_if_any();
  int rc = push_long(L, a, got);
  mp_got_done(a, got);
  return rc < 0 ? lua_error(L) : 1;
}

/* --- the lock ------------------------------------------------------------- */

static void wait_for(lua_State *L, struct mp_lock *l) {
  int rc;
  do
    rc = mp_lock_acquire(mp_arena_if_any(), l, MP_FOREVER);
  while (rc == -EINTR && mp_interrupt_check(L));
  if (rc < 0)
    mp_raise_code(L, rc, "cannot take the object's lock");
}

enum { TAKEN = 1, COLLECTED = 2 };

int mp_lock_again(lua_State *L, struct mp_lock *l, int64_t rc, int *done) {
  if (rc == -EAGAIN && !(*done & TAKEN)) {
    wait_for(L, l);
    *done |= TAKEN;
    return 1;
  }
  if (*done & TAKEN)
    mp_lock_release(mp_arena_if_any(), l);
  *done &= ~TAKEN;
  if (rc != MP_ENOARENA || (*done & COLLECTED))
    return 0;
  lua_gc(L, LUA_GCCOLLECT);
  *done |= COLLECTED;
  return 1;
}

void mp_lock_call(lua_State *L, struct mp_lock *l, int nargs, int nresults) {
  wait_for(L, l);
  int status = lua_pcall(L, nargs, nresults, 0);
  mp_lock_release(mp_arena_if_any(), l);
  if (status != LUA_OK)
    lua_error(L);
}

/*
** A handle is old, in the generational mode, before its dict is full: what is
** told in steps then collects the young only.  So once as much came together as
** four times Lua's own heap, all is collected.
*/
static int is_much(lua_State *L, uint64_t n) {
  const uint64_t little = UINT64_C(32) << 20;
  return n >= little && n / 4096 >= (uint64_t)lua_gc(L, LUA_GCCOUNT);
}

/* An entry's head, a word in a table, what rounding takes. */
void mp_stored_charge(lua_State *L, uint64_t key_size,
                      const struct mp_value *v) {
  enum { BESIDES = 32 };
  static _Thread_local uint64_t sum;
  uint64_t n = key_size + v->p.size + BESIDES;
  sum += n;
  mp_gc_charge(L, n);
  if (!is_much(L, sum) || !lua_gc(L, LUA_GCISRUNNING))
    return;
  sum = 0;
  lua_gc(L, LUA_GCCOLLECT);
}

/* --- snapshots ------------------------------------------------------------ */

static int snapshot_gc(lua_State *L) {
  struct mp_snapshot *s = luaL_checkudata(L, 1, snapshot_name);
  mp_snapshot_free(mp_arena_if_any(), &s->buf);
  return 0;
}

void mp_snapshot_class(lua_State *L) {
  if (luaL_newmetatable(L, snapshot_name)) {
    lua_pushcfunction(L, snapshot_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_pop(L, 1);
}

struct mp_snapshot *mp_snapshot_push(lua_State *L) {
  struct mp_snapshot *s = lua_newuserdatauv(L, sizeof *s, 0);
  mp_buf_init(&s->buf);
  s->at = 0;
  luaL_setmetatable(L, snapshot_name);
  return s;
}

struct mp_entry *mp_snapshot_next(struct mp_snapshot *s) {
  if (s->at >= s->buf.len)
    return NULL;
  struct mp_entry *e = (struct mp_entry *)(void *)(s->buf.data + s->at);
  s->at += mp_snapshot_size(e);
  return e;
}

void mp_snapshot_key(lua_State *L, const struct mp_entry *e) {
  mp_plain_push(L, mp_shape_ktype(e->shape), e->data, e->klen);
}

void mp_snapshot_value(lua_State *L, struct mp_entry *e) {
  unsigned type = mp_shape_type(e->shape);
  struct mp_got got;
  if (type != MP_S_BLOB && type != MP_S_MESSAGE) {
    mp_plain_push(L, type, mp_entry_value(e), mp_shape_size(e->shape));
    return;
  }
  mp_snapshot_get(mp_arena_if_any(), e, &got);
  mp_got_push(L, &got);
}

/* --- classes -------------------------------------------------------------- */

void mp_stored_index(lua_State *L, lua_CFunction index,
                     lua_CFunction newindex) {
  const luaL_Reg both[] = {
      {"__index", index}, {"__newindex", newindex}, {NULL, NULL}};
  lua_getfield(L, -1, "__index");
  lua_pushvalue(L, -1);
  lua_setfield(L, -4, "methods");
  lua_pushvalue(L, -2);
  lua_insert(L, -2);
  luaL_setfuncs(L, both, 2);
}
