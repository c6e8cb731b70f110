/*
** pool_core.h: a pool's handle in Lua, for l_pool.c and l_worker.c
** MIT licence, see LICENSE
*/

#ifndef MP_BIND_POOL_CORE_H
#define MP_BIND_POOL_CORE_H

#include <sys/types.h>

#include "base/buf.h"
#include "bind/core.h"
#include "bind/object.h"
#include "store/pool.h"

/* A function that the owner has sent, by content. */
struct mp_pool_known {
  mp_off place;   /* 0: this entry is free */
  uint64_t hash, size;
  const void *constant; /* Lua function that always has this content */
  uint64_t users; /* jobs that are not finished */
  uint64_t used;  /* when, in lookups */
};

/*
** This process's view of a pool.  The descriptors are the owner's.  The bell
** is a pipe: a forked worker has it by inheritance, others open it through
** the owner's /proc/PID/fd, which needs no descriptor to be passed.
*/
struct mp_pool_core {
  struct mp_handle h;
  struct mp_arena *arena;
  pid_t owner;      /* 0: this process only attached */
  int bell;         /* what workers write to */
  int ear;          /* the bell's other end, the owner's */
  int watch, timer; /* what the owner waits on: ear, timer, the dead */
  struct mp_buf bytes, places, refs; /* the batch in the making */
  struct mp_pool_known *known;
  uint32_t nknown;
  uint64_t lookups;
};

extern const struct mp_kind mp_pool_kind;

/* Closes what only the owner waits on; in a forked worker. */
void mp_pool_core_forget(struct mp_pool_core *c);

static inline struct mp_pool *mp_pool_of(const struct mp_pool_core *c) {
  return c->h.body;
}

/* The handle at argument 1 of a method. */
static inline struct mp_pool_core *mp_pool_core_check(lua_State *L) {
  return (struct mp_pool_core *)mp_handle_check(L, 1, &mp_pool_kind);
}

static inline void mp_pool_must(lua_State *L, int rc, const char *what) {
  if (rc < 0)
    mp_raise_code(L, rc, what);
}

/* pool_send.c: methods, and scalars(items, from, to) */
extern const luaL_Reg mp_pool_send_methods[];
int mp_pool_scalars(lua_State *L);

#endif
