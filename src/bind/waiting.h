/*
** waiting.h: what mp.wait needs to know of a shared object
** MIT licence, see LICENSE
**
** A kind of object (object.h) whose handles may stand in mp.wait's list has
** one of these in its metatable.  `body` is the handle's.
*/

#ifndef MP_BIND_WAITING_H
#define MP_BIND_WAITING_H

#include <stdint.h>

#include "lua.h"

struct mp_waitable {
  int (*is_ready)(void *body); /* 1, 0, or a negative code: also ready */
  /* `bell` (os/bell.h) rings on every change that may make it ready: 0, or
  ** -EBUSY when the list is full (then it is looked at often instead) */
  int (*watch)(void *body, uint32_t bell);
  void (*unwatch)(void *body, uint32_t bell);
  int dies; /* it may become ready by the death of a process, which rings
            ** no bell before somebody sweeps */
};

/* Notes it in the metatable on top of the stack. */
void mp_waitable_class(lua_State *L, const struct mp_waitable *w);

/* What the value at index has there; NULL: it is no such object. */
const struct mp_waitable *mp_waitable_of(lua_State *L, int index);

#endif
