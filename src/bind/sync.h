/*
** sync.h: what the bindings of the things that processes wait on share
** MIT licence, see LICENSE
*/

#ifndef MP_BIND_SYNC_H
#define MP_BIND_SYNC_H

#include <stdint.h>

#include "lua.h"

#include "bind/object.h"
#include "sync/lock.h"

/* Registers what becomes of the room's objects; idempotent, once a process. */
void mp_sync_setup(void);

/* [block = true [, timeout]] at arg, arg + 1 -> deadline */
int64_t mp_block_deadline(lua_State *L, int arg);

/* Takes the lock, pushes true, or true and "abandoned", or false. */
int mp_push_acquire(lua_State *L, struct mp_lock *l, int64_t deadline);
/* Releases it, or raises; `what` is its class. */
int mp_do_release(lua_State *L, struct mp_lock *l, const char *what);

/* The place of the object with a lock at stack[arg]: a Lock, an RLock, or
** what get_lock of a Value or Array gave; else an argument error. */
mp_off mp_lock_arg(lua_State *L, int arg);
/* Pushes a handle for the lock of the object at off. */
void mp_push_lock(lua_State *L, mp_off off);

/* The class's methods become field `name` of the module on top. */
void mp_sync_class(lua_State *L, const char *name, const struct mp_kind *kind,
                   const struct mp_ref_type *ref, const luaL_Reg *methods,
                   const luaL_Reg *meta);

/* Each adds its classes and constructors to the module on top. */
void mp_add_locks(lua_State *L);
void mp_add_semaphores(lua_State *L);
void mp_add_event(lua_State *L);
void mp_add_condition(lua_State *L);
void mp_add_barrier(lua_State *L);

#endif
