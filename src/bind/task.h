/*
** task.h: calls that wait while others run
** MIT licence, see LICENSE
**
** In a manager's server the calls of its clients are coroutines.  A binding
** that blocks may ask whether it runs in one, and then gives way instead.
*/

#ifndef MP_BIND_TASK_H
#define MP_BIND_TASK_H

#include <stdint.h>

#include "lua.h"

/* Does L run in a task that can give way here? */
int mp_task_can_wait(lua_State *L);

/* `return mp_task_sleep(L, deadline)`: the others run until the deadline.
** Lua gets no result. */
int mp_task_sleep(lua_State *L, int64_t deadline);

#endif
