/*
** child.h: what the bindings of processes share
** MIT licence, see LICENSE
*/

#ifndef MP_BIND_CHILD_H
#define MP_BIND_CHILD_H

#include "lua.h"

#include "proc/child.h"

/* Whose end joins the children of this state. */
const void *mp_owner_of(lua_State *L);

/* The child handle at stack[arg], or a raised error. */
struct mp_child *mp_check_child(lua_State *L, int arg);

/* What a newborn's Lua state needs first; part of mp_live. */
void mp_begin_life(lua_State *L);

/*
** The life of a newborn: co holds a function and one argument; the function
** answers with the exit status.  Does not return.
*/
_Noreturn void mp_live(lua_State *co, struct mp_arena *a);

/*
** A program that was started as a child, with the last word of its command
** line.  L has its libraries.  Does not return.
*/
_Noreturn void mp_newborn(lua_State *L, const char *text);

/* The word before that on the command line. */
#define MP_CHILD_OPTION "--multiprocessing-child"

#endif
