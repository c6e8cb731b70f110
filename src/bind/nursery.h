/*
** nursery.h: where a newborn's first objects lie
** MIT licence, see LICENSE
*/

#ifndef MP_BIND_NURSERY_H
#define MP_BIND_NURSERY_H

#include "lua.h"

enum { MP_NURSERY_SIZE = 16 * 1024 };

struct mp_nursery {
  lua_Alloc alloc; /* the allocator behind this one */
  void *ud;
  char *next; /* the room from here on is free */
  _Alignas(16) char room[MP_NURSERY_SIZE];
};

/*
** From now on the state of a forked child takes its blocks from `n` while
** there is room in it, then from where it took them before.  `n` must live as
** long as the process: it belongs into the frame that the child ends in.
*/
void mp_nursery_open(struct mp_nursery *n, lua_State *L);

#endif
