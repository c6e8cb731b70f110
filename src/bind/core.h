/*
** core.h: what every binding shares
** MIT licence, see LICENSE
**
** The binding law: check arguments, one call down, push the result.  Nothing
** that Lua can raise happens while a guard, a raw descriptor, a raw pid or
** malloc'd memory is held.
*/

#ifndef MP_BIND_CORE_H
#define MP_BIND_CORE_H

#include <stdint.h>

#include "lauxlib.h"
#include "lua.h"

#include "shm/arena.h"

/*
** Puts loaders for all of our modules into package.preload: the Lua half
** ("multiprocessing.pool"), and the C half, one table an l_*.c file
** ("multiprocessing.core.codec").
*/
void mp_core_preload(lua_State *L);

/* Loads one of the Lua modules without the name being in package.loaded
** (that is `require`'s own work); pushes its value, returns 1. */
int mp_core_require(lua_State *L, const char *name);

/* The family's arena, or a raised Lua error that says what is missing. */
struct mp_arena *mp_core_arena(lua_State *L);

/*
** Raises the condition `name` ("Empty", "TimeoutError"...) with a formatted
** message, as an object of multiprocessing.errors.  Does not return.
*/
int mp_raise(lua_State *L, const char *name, const char *fmt, ...);

/*
** Raises what a negative code means: MP_EEMPTY as Empty, -ETIMEDOUT as
** TimeoutError and so on; "not enough memory" for -ENOMEM; the rest as
** ProcessError: "WHAT: reason".  Does not return.
*/
int mp_raise_code(lua_State *L, int code, const char *what);

/*
** Blocking calls return -EINTR when a signal handler ran.  This runs what the
** handler left for Lua (it raises "interrupted!" after Ctrl-C), or returns 1:
** then the call is made again with the same deadline.
**
**     do
**       rc = mp_thing_wait(t, deadline);
**     while (rc == -EINTR && mp_interrupt_check(L));
*/
int mp_interrupt_check(lua_State *L);

/*
** A signal that comes just before a call begins to sleep does not end the
** sleep.  So nothing sleeps longer than this at a time: until the deadline, or
** a quarter of a second, then mp_interrupt_check.
*/
int64_t mp_slice(int64_t deadline);

/* An optional timeout in seconds -> deadline: nil waits for ever, NaN is an
** argument error, 0 and less do not wait. */
int64_t mp_opt_deadline(lua_State *L, int arg);

/* [block = true [, timeout]] at arg, arg + 1 -> deadline. */
int64_t mp_opt_block(lua_State *L, int arg);

/* A function, or something with __call; else an argument error. */
void mp_callable_check(lua_State *L, int arg);

#endif
