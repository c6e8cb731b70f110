/*
** l_arena.c: the family's shared memory, as tests and statistics see it
** MIT licence, see LICENSE
*/

#include "bind/modules.h"

#include "bind/core.h"
#include "shm/slot.h"

static void set_field(lua_State *L, const char *name, uint64_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, name);
}

/* stats() -> {range, committed, used, blocks}; zeros before the first use */
static int arena_stats(lua_State *L) {
  struct mp_arena_stats s = {0, 0, 0, 0};
  struct mp_arena *a = mp_arena_if_any();
  if (a != NULL)
    mp_arena_stats(a, &s);
  lua_createtable(L, 0, 4);
  set_field(L, "range", s.range);
  set_field(L, "committed", s.committed);
  set_field(L, "used", s.used);
  set_field(L, "blocks", s.blocks);
  return 1;
}

/* check() -> true, or false and what is wrong */
static int arena_check(lua_State *L) {
  char why[256] = "";
  struct mp_arena *a = mp_arena_if_any();
  int rc = a != NULL ? mp_arena_check(a, why, sizeof why) : 0;
  lua_pushboolean(L, rc >= 0);
  if (rc >= 0)
    return 1;
  lua_pushstring(L, why);
  return 2;
}

/* sweep() -> number of dead processes that were swept */
static int arena_sweep(lua_State *L) {
  struct mp_arena *a = mp_arena_if_any();
  lua_pushinteger(L, a != NULL ? mp_slot_sweep_all(a) : 0);
  return 1;
}

static const luaL_Reg functions[] = {
    {"stats", arena_stats},
    {"check", arena_check},
    {"sweep", arena_sweep},
    {NULL, NULL},
};

int mp_open_arena(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
