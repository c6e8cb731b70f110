/*
** repl.h: the interactive mode
** MIT licence, see LICENSE
*/

#ifndef MP_HOST_REPL_H
#define MP_HOST_REPL_H

#include "lua.h"

/* Reads statements and expressions until end of file, runs them, prints
** results and errors. */
void mp_repl(lua_State *L);

#endif
