/*
** limit.h: a limit on the memory that a lua_State may take
** MIT licence, see LICENSE
*/

#ifndef MP_BIND_LIMIT_H
#define MP_BIND_LIMIT_H

#include <stddef.h>

#include "lua.h"

/*
** From now on this state may allocate `bytes` more than it has; beyond that
** the allocator refuses, and Lua collects, then raises "not enough memory".
** Called again it sets a new limit.  0, or -ENOMEM.
*/
int mp_limit_memory(lua_State *L, size_t bytes);

#endif
