/*
** limit.c: a limit on the memory that a lua_State may take
** MIT licence, see LICENSE
**
** An allocator that counts stands before the state's own.  What existed
** before may be freed, too, so the count can fall below zero.
*/

#include "bind/limit.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

struct limit {
  lua_Alloc alloc; /* the allocator behind this one */
  void *ud;
  int64_t used;
  int64_t most;
};

static void *limited(void *ud, void *block, size_t old, size_t size) {
  struct limit *m = ud;
  /* without a block, `old` is a type tag */
  int64_t more = (int64_t)size - (block != NULL ? (int64_t)old : 0);
  if (more > 0 && m->used + more > m->most)
    return NULL;
  void *moved = m->alloc(m->ud, block, old, size);
  if (moved != NULL || size == 0)
    m->used += more;
  return moved;
}

/* The counter lives as long as the process: it is used until the very end
** of the state, and a state has one. */
int mp_limit_memory(lua_State *L, size_t bytes) {
  void *ud;
  lua_Alloc alloc = lua_getallocf(L, &ud);
  struct limit *m = ud;
  if (alloc != limited) {
    m = malloc(sizeof *m);
    if (m == NULL)
      return -ENOMEM;
    m->alloc = alloc;
    m->ud = ud;
    lua_setallocf(L, limited, m);
  }
  m->used = 0;
  m->most = bytes < INT64_MAX ? (int64_t)bytes : INT64_MAX;
  return 0;
}
