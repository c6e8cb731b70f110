/*
** types.h: userdata types of the host that travel
** MIT licence, see LICENSE
*/

#ifndef MP_BIND_TYPES_H
#define MP_BIND_TYPES_H

#include "lua.h"

/* Userdata with the metatable `name` travel from now on: reduce(userdata)
** returns what rebuild makes another of.  May raise. */
void mp_type_register(lua_State *L, const char *name, lua_CFunction reduce,
                      lua_CFunction rebuild);

#endif
