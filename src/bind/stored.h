/*
** stored.h: what dicts and lists keep, as Lua values
** MIT licence, see LICENSE
**
** Numbers, booleans and strings go in and out as they are, all else by the
** codec; encoding and decoding happen outside the object's guard.
*/

#ifndef MP_BIND_STORED_H
#define MP_BIND_STORED_H

#include "lua.h"

#include "bind/object.h"
#include "codec/codec.h"
#include "store/stored.h"

/* The key at stack[arg], which must stay there; an error for what is none:
** `what` is the object. */
void mp_key_check(lua_State *L, int arg, struct mp_key *k, const char *what);

/* The value at stack[arg].  May push something that keeps it: mp_value_done
** pops that.  v must not be moved meanwhile. */
struct mp_encoded *mp_value_take(lua_State *L, int arg, struct mp_value *v);
void mp_value_done(lua_State *L, struct mp_encoded *e);

/* Pushes a number, boolean or short string that is in private memory. */
int mp_plain_push(lua_State *L, unsigned type, const void *bytes, size_t size);
/* Pushes a value that was got and lets go of it; returns 1, or raises. */
int mp_got_push(lua_State *L, struct mp_got *got);

/*
** An operation that changes, and finds that another process holds the lock,
** returns -EAGAIN: then this waits for the lock and says 1; the next time it
** lets it go and says 0.  Where shared memory is short it collects garbage and
** says 1, once.
**
**     int done = 0;
**     do
**       rc = mp_dict_set(...);
**     while (mp_lock_again(L, &d->lock, rc, &done));
*/
int mp_lock_again(lua_State *L, struct mp_lock *l, int64_t rc, int *done);

/* Tells the collector of a value that was added to an object: it may be what
** makes the object large. */
void mp_stored_charge(lua_State *L, uint64_t key_size,
                      const struct mp_value *v);

/* Calls the function below nargs arguments with the lock held, and lets it go
** also when that raises; `nresults` as for lua_call. */
void mp_lock_call(lua_State *L, struct mp_lock *l, int nargs, int nresults);

/* --- snapshots ------------------------------------------------------------ */

/* Entries in private memory, in a userdata that frees them. */
struct mp_snapshot {
  struct mp_buf buf;
  size_t at; /* of the next one */
};

struct mp_snapshot *mp_snapshot_push(lua_State *L);
/* The next entry, or NULL. */
struct mp_entry *mp_snapshot_next(struct mp_snapshot *s);
void mp_snapshot_key(lua_State *L, const struct mp_entry *e);
void mp_snapshot_value(lua_State *L, struct mp_entry *e);

/* Makes the snapshot's metatable; from luaopen functions. */
void mp_snapshot_class(lua_State *L);

/* stack: module, metatable.  The methods become the module's field `methods`,
** and __index and __newindex functions: upvalue 1 is the metatable, 2 the
** methods. */
void mp_stored_index(lua_State *L, lua_CFunction index,
                     lua_CFunction newindex);

#endif
