/*
** types.c: the host's userdata types
** MIT licence, see LICENSE
*/

#include <errno.h>

#include "bind/types.h"
#include "embed/error.h"

struct type {
  const char *name;
  lua_CFunction reduce, rebuild;
};

/* (type) */
static int register_type(lua_State *L) {
  const struct type *t = lua_touserdata(L, 1);
  mp_type_register(L, t->name, t->reduce, t->rebuild);
  return 0;
}

int mplua_register_type(lua_State *L, const char *name, mplua_cfunction reduce,
                        mplua_cfunction rebuild, struct mplua_error *e) {
  struct type t = {name, reduce, rebuild};
  if (!lua_checkstack(L, 4))
    return mp_fail_code(e, -ENOMEM, "mplua_register_type");
  lua_pushcfunction(L, register_type);
  lua_pushlightuserdata(L, &t);
  int status = lua_pcall(L, 1, 0, 0);
  return status == LUA_OK ? 0 : mp_fail_lua(L, status, e);
}
