/*
** memory.h: how the program's private memory is had from the system
** MIT licence, see LICENSE
*/

#ifndef MP_HOST_MEMORY_H
#define MP_HOST_MEMORY_H

#include "lua.h"

/* Settings of malloc for the whole process; before the first allocation. */
void mp_memory_tune(void);

/* Lets the state's heap grow on huge pages. */
void mp_memory_attach(lua_State *L);

#endif
