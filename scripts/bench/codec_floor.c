/*
** codec_floor.c: what Lua's C API alone costs
** MIT licence, see LICENSE
**
** read(v) visits every value as an encoder must, and writes nothing.  plan(v)
** is a list of what there is in v; build(plan) makes v again from it, with the
** exact sizes, and reads nothing.  No codec on this API can be faster.
*/

#include <stdlib.h>
#include <string.h>

#include "lauxlib.h"
#include "lua.h"

int luaopen_codec_floor(lua_State *L);

/* --- reading -------------------------------------------------------------- */

static volatile size_t sink;

static void read_value(lua_State *L, int index) {
  size_t len = 0;
  switch (lua_type(L, index)) {
  case LUA_TNUMBER:
    if (lua_isinteger(L, index))
      len = (size_t)lua_tointegerx(L, index, NULL);
    else
      len = lua_tonumberx(L, index, NULL) > 0;
    break;
  case LUA_TSTRING:
    len += (unsigned char)*lua_tolstring(L, index, &len);
    break;
  case LUA_TBOOLEAN:
    len = (size_t)lua_toboolean(L, index);
    break;
  case LUA_TTABLE:
    luaL_checkstack(L, 8, NULL);
    if (lua_getmetatable(L, index))
      lua_pop(L, 1);
    len = (size_t)lua_topointer(L, index);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
      read_value(L, -2);
      read_value(L, -1);
    }
    break;
  default:
    break;
  }
  sink += len;
}

static int floor_read(lua_State *L) {
  lua_settop(L, 1);
  read_value(L, 1);
  return 0;
}

/* --- building ------------------------------------------------------------- */

struct op {
  int type; /* LUA_T..., LUA_NUMTYPES for an integer */
  int list, pairs;
  lua_Integer i;
  lua_Number x;
  char *s;
};

struct plan {
  struct op *ops;
  size_t n, room;
};

static struct op *new_op(struct plan *p, int type) {
  if (p->n == p->room) {
    p->room = p->room ? 2 * p->room : 64;
    p->ops = realloc(p->ops, p->room * sizeof *p->ops);
    if (p->ops == NULL)
      abort();
  }
  memset(&p->ops[p->n], 0, sizeof *p->ops);
  p->ops[p->n].type = type;
  return &p->ops[p->n++];
}

static void plan_value(lua_State *L, struct plan *p, int index);

static void plan_table(lua_State *L, struct plan *p) {
  size_t at = p->n;
  int list = (int)lua_rawlen(L, -1), pairs = 0;
  new_op(p, LUA_TTABLE);
  luaL_checkstack(L, 8, NULL);
  for (int i = 1; i <= list; i++) {
    lua_rawgeti(L, -1, i);
    plan_value(L, p, -1);
    lua_pop(L, 1);
  }
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1 &&
        lua_tointeger(L, -2) <= list)
      continue;
    pairs++;
    plan_value(L, p, -2);
    plan_value(L, p, -1);
  }
  p->ops[at].list = list;
  p->ops[at].pairs = pairs;
}

static void plan_value(lua_State *L, struct plan *p, int index) {
  struct op *op;
  size_t len;
  switch (lua_type(L, index)) {
  case LUA_TTABLE:
    lua_pushvalue(L, index);
    plan_table(L, p);
    lua_pop(L, 1);
    break;
  case LUA_TNUMBER:
    op = new_op(p, lua_isinteger(L, index) ? LUA_NUMTYPES : LUA_TNUMBER);
    op->i = lua_tointeger(L, index);
    op->x = lua_tonumber(L, index);
    break;
  case LUA_TSTRING:
    op = new_op(p, LUA_TSTRING);
    lua_tolstring(L, index, &len);
    op->s = malloc(len + 1); /* a copy, as it comes in a message */
    if (op->s == NULL)
      abort();
    memcpy(op->s, lua_tostring(L, index), len);
    op->i = (lua_Integer)len;
    break;
  default:
    new_op(p, lua_type(L, index))->i = lua_toboolean(L, index);
    break;
  }
}

static int plan_gc(lua_State *L) {
  struct plan *p = lua_touserdata(L, 1);
  for (size_t i = 0; i < p->n; i++)
    free(p->ops[i].s);
  free(p->ops);
  return 0;
}

static int floor_plan(lua_State *L) {
  lua_settop(L, 1);
  struct plan *p = lua_newuserdatauv(L, sizeof *p, 0);
  memset(p, 0, sizeof *p);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, plan_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  plan_value(L, p, 1);
  lua_settop(L, 2);
  return 1;
}

static const struct op *build(lua_State *L, const struct op *op) {
  const struct op *next = op + 1;
  switch (op->type) {
  case LUA_NUMTYPES:
    lua_pushinteger(L, op->i);
    break;
  case LUA_TNUMBER:
    lua_pushnumber(L, op->x);
    break;
  case LUA_TSTRING:
    lua_pushlstring(L, op->s, (size_t)op->i);
    break;
  case LUA_TBOOLEAN:
    lua_pushboolean(L, (int)op->i);
    break;
  case LUA_TTABLE:
    luaL_checkstack(L, 8, NULL);
    lua_createtable(L, op->list, op->pairs);
    for (int i = 1; i <= op->list; i++) {
      next = build(L, next);
      lua_rawseti(L, -2, i);
    }
    for (int i = 0; i < op->pairs; i++) {
      next = build(L, next);
      next = build(L, next);
      lua_rawset(L, -3);
    }
    break;
  default:
    lua_pushnil(L);
    break;
  }
  return next;
}

static int floor_build(lua_State *L) {
  const struct plan *p = lua_touserdata(L, 1);
  build(L, p->ops);
  return 1;
}

int luaopen_codec_floor(lua_State *L) {
  static const luaL_Reg functions[] = {{"read", floor_read},
                                       {"plan", floor_plan},
                                       {"build", floor_build},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
