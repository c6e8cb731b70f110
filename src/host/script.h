/*
** script.h: the script and its arguments
** MIT licence, see LICENSE
*/

#ifndef MP_HOST_SCRIPT_H
#define MP_HOST_SCRIPT_H

#include "lua.h"

#include "host/options.h"

/* Sets the global `arg`: arg[0] is the script, its arguments follow, what
** stood before it has negative indices. */
void mp_script_arg(lua_State *L, const struct mp_options *o);

/* Runs the script with its arguments; reports an error; Lua's status. */
int mp_script_run(lua_State *L, const struct mp_options *o);

#endif
