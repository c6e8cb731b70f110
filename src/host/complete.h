/*
** complete.h: Tab at the prompt completes the names of globals and fields
** MIT licence, see LICENSE
*/

#ifndef MP_HOST_COMPLETE_H
#define MP_HOST_COMPLETE_H

#include "lua.h"

/* Hooks into readline; L must live as long as readline is used. */
void mp_complete_init(lua_State *L);

#endif
