/*
** codec.h: Lua values <-> bytes
** MIT licence, see LICENSE
**
** The only room below bind/ that knows lua.h.  The format is drawn in
** docs/wire-format.md; the tags live in codec/tags.h alone.
**
** Encoding is done in private memory: user code (__reduce) may run meanwhile,
** so nothing shared is held.  Small things are copied into `bytes`; a long
** string stays where it is and is only noted, so that the one copy it takes
** goes straight to its destination (mp_encoded_copy).
*/

#ifndef MP_CODEC_CODEC_H
#define MP_CODEC_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "lua.h"

#include "shm/arena.h"

struct mp_encoded; /* an encoded message, owned by the Lua stack */

enum mp_codec_flags {
  MP_CODEC_CODE = 1,  /* functions, by-name values and __reduce may pass */
  MP_CODEC_SHARED = 2, /* shared objects may pass (not in mp.dumps) */
  MP_CODEC_REPLACE = 4 /* decoding in a worker: sent globals replace ours */
};

struct mp_codec_opts {
  int flags;
  uint64_t limit; /* largest message in bytes; 0: none */
  /* What error paths begin with: "args" for one value; "args[]" for several,
  ** which are then args[1], args[2]...; NULL: nothing. */
  const char *root;
  int64_t item; /* if not 0, all of it is element `item` of a list `root` */
};

/*
** Encodes n values, stack[first..first+n-1], as one message.  Pushes one value
** that keeps it (and the strings it points to) alive, and returns it.
** Raises SerializationError, or Lua's memory error; nothing is left behind.
** Call mp_encoded_done when it has been copied: the memory is used again.
*/
struct mp_encoded *mp_encode(lua_State *L, int first, int n,
                             const struct mp_codec_opts *opts);

uint64_t mp_encoded_size(const struct mp_encoded *e);
/* Writes the whole message, mp_encoded_size bytes, to dst. */
void mp_encoded_copy(const struct mp_encoded *e, void *dst);
/* The whole message where it lies, when it lies in one piece; else NULL. */
const void *mp_encoded_flat(const struct mp_encoded *e);
/* The shared objects that travel in it. */
uint32_t mp_encoded_refs(const struct mp_encoded *e, const mp_off **refs);
/* Does it set globals in its receiver?  (Its functions name some.) */
int mp_encoded_sets_globals(const struct mp_encoded *e);
/* Pops the value that mp_encode pushed (it must be on top). */
void mp_encoded_done(lua_State *L, struct mp_encoded *e);

/*
** Decodes a message: pushes its values, returns their number.  Never raises
** (it runs protected, so it can be called while a block is in hand): on
** failure pushes the error value and returns a negative code.
*/
int mp_decode(lua_State *L, const void *data, size_t size,
              const struct mp_codec_opts *opts);

/*
** How a shared object travels: a userdata whose metatable has the field
** "__mpref", a light userdata that points to one of these.
*/
struct mp_ref_type {
  uint8_t id; /* enum mp_object_type */
  /* the object's place; 0 when this handle is closed (then: error) */
  mp_off (*place)(void *userdata);
  /* pushes a handle for the object at off; may raise (runs protected) */
  void (*push)(lua_State *L, mp_off off);
};

/* Registers a type for decoding; idempotent, from luaopen functions. */
void mp_ref_register(const struct mp_ref_type *type);

#endif
