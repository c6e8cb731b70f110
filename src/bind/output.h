/*
** output.h: print and io.write, for a family of processes
** MIT licence, see LICENSE
*/

#ifndef MP_BIND_OUTPUT_H
#define MP_BIND_OUTPUT_H

#include "lua.h"

/*
** Puts functions of ours in the place of print, io.write, the methods of files
** and what else makes a FILE's buffer go out; what is not the standard
** library's stays.  Once a state; a second time does nothing.
*/
void mp_output_install(lua_State *L);

/* Flushes all files, stdout and stderr in whole lines: before a process is
** made.  Raises "interrupted!" only. */
void mp_output_flush(lua_State *L);

#endif
