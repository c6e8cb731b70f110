/*
** l_types.c: userdata types of the host that travel
** MIT licence, see LICENSE
**
** A type is known by the name of its metatable.  Its __reduce answers with the
** one function `rebuild` below, which every process has by name, and the
** type's name; which C function makes the userdata is known to each
** lua_State by itself, and need not be at the same address.
*/

#include "bind/types.h"

#include "bind/core.h"
#include "bind/modules.h"

static const char MODULE[] = "multiprocessing.core.types";
static const char types_key = 0; /* in the registry: name -> rebuild */

static void push_types(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &types_key) == LUA_TTABLE)
    return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &types_key);
}

/* rebuild(name, ...) -> userdata */
static int types_rebuild(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  push_types(L);
  if (lua_getfield(L, -1, name) != LUA_TFUNCTION)
    return mp_raise(L, "SerializationError",
                    "the type '%s' is not registered in this process "
                    "(mplua_register_type)",
                    name);
  lua_replace(L, 1);
  lua_pop(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

/* upvalues: rebuild, name, the host's reduce.  (userdata) */
static int types_reduce(lua_State *L) {
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushvalue(L, lua_upvalueindex(3));
  lua_pushvalue(L, 1);
  lua_call(L, 1, LUA_MULTRET);
  return lua_gettop(L) - 1;
}

void mp_type_register(lua_State *L, const char *name, lua_CFunction reduce,
                      lua_CFunction rebuild) {
  push_types(L);
  lua_pushcfunction(L, rebuild);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
  luaL_newmetatable(L, name);
  lua_getglobal(L, "require");
  lua_pushstring(L, MODULE);
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "rebuild");
  lua_replace(L, -2);
  lua_pushstring(L, name);
  lua_pushcfunction(L, reduce);
  lua_pushcclosure(L, types_reduce, 3);
  lua_setfield(L, -2, "__reduce");
  lua_pop(L, 1);
}

static const luaL_Reg functions[] = {
    {"rebuild", types_rebuild},
    {NULL, NULL},
};

int mp_open_types(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
