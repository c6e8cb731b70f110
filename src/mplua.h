/*
** mplua.h: multiprocessing for Lua 5.4, for C hosts
** MIT licence, see LICENSE
*/

#ifndef MPLUA_H
#define MPLUA_H

#define MPLUA_VERSION "0.1.0"

#if defined(__GNUC__)
#define MPLUA_API __attribute__((visibility("default")))
#else
#define MPLUA_API
#endif

struct lua_State;

/* The library's version, as "0.1.0".  Any thread. */
MPLUA_API const char *mplua_version(void);

/*
** Lets `require "multiprocessing"` find the library built into this program.
** Raises Lua's memory error only.  Call it once per lua_State, after
** luaL_openlibs.
*/
MPLUA_API void mplua_openlibs(struct lua_State *L);

/* The loader itself, as `require` calls it: pushes the module's table. */
MPLUA_API int luaopen_multiprocessing(struct lua_State *L);

/*
** The first statement of a host's `main` that wants to be its own target
** for the start methods spawn and forkserver.  Returns at once where the
** program was started by a person; where it was started as a child, it runs
** the child and does not return.
*/
MPLUA_API void mplua_child_entry(int argc, char **argv);

#endif
