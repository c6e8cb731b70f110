/*
** object.h: shared objects as Lua sees them
** MIT licence, see LICENSE
**
** A Lua handle is a full userdata that begins with struct mp_handle.  It is
** made closed, then the object is created or attached, so that no failure
** of Lua's can lose an object.  __gc lets it go; two handles of one object are
** equal (__eq); the metatable's "__mpref" lets it travel in messages.
**
** A kind of object needs this much (l_lock.c is an example):
**
**     static const struct mp_kind kind = {
**         .name = "multiprocessing.Lock", .type = MP_T_LOCK};
**
**     static int lock_release(lua_State *L) {
**       struct mp_handle *h = mp_handle_check(L, 1, &kind);
**       ... h->body ...
**     }
**
**     int mp_open_lock(lua_State *L) {
**       lua_newtable(L);                          the module
**       mp_handle_class(L, &kind, &ref, methods, NULL);    pushes a metatable
**       lua_pop(L, 1);
**       mp_handle_setfuncs(L, &kind, functions);  constructors, into the module
**       return 1;
**     }
*/

#ifndef MP_BIND_OBJECT_H
#define MP_BIND_OBJECT_H

#include <stddef.h>
#include <stdint.h>

#include "lauxlib.h"
#include "lua.h"

#include "codec/codec.h"
#include "shm/arena.h"
#include "shm/object.h"

/* This process's view of a shared object. */
struct mp_handle {
  const char *kind; /* the name in its struct mp_kind: the pointer tells */
  void *body;      /* struct mp_object and what follows; NULL when closed */
  mp_off off;      /* its place in the arena; 0 when closed */
  uint32_t number; /* of the handle, see shm/object.h */
};

struct mp_kind {
  const char *name;         /* of the metatable, "multiprocessing.Lock" */
  enum mp_object_type type; /* of the shared object */
  size_t size;     /* of the userdata; 0: struct mp_handle and no more */
  int uservalues;  /* Lua values that a handle keeps */
  /* Called when a handle was created or attached, to fill what the userdata
  ** has beyond struct mp_handle (which is zero until then).  May raise. */
  void (*ready)(lua_State *L, struct mp_handle *h);
  /* Called by close and __gc before the object is let go.  Never raises. */
  void (*leave)(struct mp_handle *h);
};

/*
** Makes the metatable of a kind and pushes it: __gc, __eq, __name, __mpref,
** `methods` in __index, and what `meta` adds or replaces (may be NULL).  All
** these functions have the metatable as their upvalue 1.  The kind travels by
** `ref` (NULL: it does not).
*/
void mp_handle_class(lua_State *L, const struct mp_kind *kind,
                     const struct mp_ref_type *ref, const luaL_Reg *methods,
                     const luaL_Reg *meta);

/* Adds functions to the table on top, with the kind's metatable as upvalue 1:
** for those that are not methods but check handles of this kind. */
void mp_handle_setfuncs(lua_State *L, const struct mp_kind *kind,
                        const luaL_Reg *functions);

/*
** Creates a shared object of `size` bytes (head included, the rest zero) and
** pushes its handle.  Where memory is short it collects garbage and tries
** once more; then raises.  The collector is told of the size.
*/
struct mp_handle *mp_handle_create(lua_State *L, const struct mp_kind *kind,
                                   size_t size);

/* Pushes a handle for the object at off: for mp_ref_type.push.  Raises when
** there is no live object of that type. */
struct mp_handle *mp_handle_push(lua_State *L, const struct mp_kind *kind,
                                 mp_off off);

/* For mp_ref_type.place. */
mp_off mp_handle_place(void *userdata);

/* The handle at stack[arg], or an argument error; ClosedError when closed. */
struct mp_handle *mp_handle_check(lua_State *L, int arg,
                                  const struct mp_kind *kind);

/* NULL when it is something else; it may be closed. */
struct mp_handle *mp_handle_test(lua_State *L, int arg,
                                 const struct mp_kind *kind);

/* Lets the object go now; idempotent.  For methods named `close`. */
void mp_handle_close(struct mp_handle *h, const struct mp_kind *kind);

/* Tells the collector of n bytes outside its heap that a new value of its
** keeps alive.  It may run finalizers. */
void mp_gc_charge(lua_State *L, uint64_t n);

#endif
