/*
** run.h: protected calls under Ctrl-C, and the chunks that they run
** MIT licence, see LICENSE
**
** All return a status of Lua's.  Those of a chunk report their error.
*/

#ifndef MP_HOST_RUN_H
#define MP_HOST_RUN_H

#include "lua.h"

/* lua_pcall with a traceback and with Ctrl-C as an error; the error message
** is left on the stack, as lua_pcall does. */
int mp_run_call(lua_State *L, int nargs, int nresults);

/* A file, or standard input when path is NULL. */
int mp_run_file(lua_State *L, const char *path);
int mp_run_string(lua_State *L, const char *code, const char *chunkname);

/* "mod" or "global=mod": requires it into a global. */
int mp_run_library(lua_State *L, const char *spec);

/* LUA_INIT_5_4, or else LUA_INIT: code, or "@" and a file's name. */
int mp_run_init(lua_State *L);

#endif
