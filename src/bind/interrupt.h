/*
** interrupt.h: Ctrl-C and Lua
** MIT licence, see LICENSE
**
** The only place with signal plumbing.  A handler cannot raise; as in the
** standalone interpreter it leaves a debug hook behind, which raises
** "interrupted!" at the next instruction.  The same hook, set by a stock
** lua5.4, is seen by mp_interrupt_check: blocking calls end either way.
*/

#ifndef MP_BIND_INTERRUPT_H
#define MP_BIND_INTERRUPT_H

#include "lua.h"

/* SIGINT -> "interrupted!" in this state, until mp_interrupt_disarm.
** `sticky`: a second SIGINT is not left to kill the process. */
void mp_interrupt_arm(lua_State *L, int sticky);
void mp_interrupt_disarm(void);

/* SIGINT does nothing, until mp_interrupt_arm. */
void mp_interrupt_ignore(void);

/* Has a signal left the hook that raises "interrupted!", and none has yet?
** Raises nothing: for whoever must let something go first. */
int mp_interrupt_is_pending(lua_State *L);

/* Has "interrupted!" been raised since arming? */
int mp_interrupt_seen(void);

#endif
