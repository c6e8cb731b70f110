/*
** object.h: shared objects that are counted by their handles
** MIT licence, see LICENSE
**
** A shared object (queue, lock, value...) is a block that begins with
** struct mp_object.  Its count is the number of references to it: handles of
** processes (each listed in its process's slot, so that a sweep can release
** them after a kill -9) and messages in which it travels.  When the count
** falls to 0, the type's destroy function runs and the block is freed.
**
**   slot --> handle table: [ off, off, 0, off ... ]     one entry a handle
**   message block: [nrefs | off, off ...]               one entry a reference
*/

#ifndef MP_SHM_OBJECT_H
#define MP_SHM_OBJECT_H

#include <stdint.h>

#include "shm/arena.h"
#include "shm/slot.h"

enum mp_object_type {
  MP_T_NONE,
  MP_T_LOCK,
  MP_T_RLOCK,
  MP_T_SEMAPHORE,
  MP_T_EVENT,
  MP_T_CONDITION,
  MP_T_BARRIER,
  MP_T_VALUE,
  MP_T_ARRAY,
  MP_T_MEMORY,
  MP_T_QUEUE,
  MP_T_PIPE,
  MP_T_POOL,
  MP_T_DICT,
  MP_T_LIST,
  MP_T_CHANNEL,
  MP_T_BOUNDED,
  MP_T_TOKEN,
  MP_T_BLOB,
  MP_T_COUNT
};

struct mp_object {
  uint32_t magic;
  uint32_t type;
  uint64_t count;  /* references; changed under the arena's guard */
  uint64_t next;   /* of the dying objects, once count is 0 */
};

/*
** What is left to do when nobody refers to an object any more: give back the
** blocks it owns (mp_free) and drop the references that lie in it
** (mp_object_drop).  Runs outside any guard, in whichever process let go
** last, while the object itself is on that process's list of dying objects;
** killed half-way it runs again in the sweeper, so it must be repeatable: take
** a block into the hand (mp_hand_set) in the transaction that forgets it,
** then free it.  Objects that it drops in turn are destroyed after it, not
** inside it: no recursion, however deep they are nested.
**
** Any process may be the one that lets go last, also one that never used the
** type: register where every process passes, before the first arena call.
*/
typedef void (*mp_destroy)(struct mp_arena *a, mp_off object);
void mp_object_set_destroy(enum mp_object_type type, mp_destroy destroy);

/* Creates an object of `size` bytes (head included; the rest is zero) with one
** handle, which belongs to this process.  0 or a negative code. */
int mp_object_create(struct mp_arena *a, enum mp_object_type type, size_t size,
                     mp_off *out, uint32_t *handle);

/* Is there a live object of that type at off?  For offsets from messages. */
int mp_object_is(struct mp_arena *a, mp_off off, enum mp_object_type type);

/* One more handle of this process.  MP_ECORRUPT when there is no object. */
int mp_object_attach(struct mp_arena *a, mp_off off, uint32_t *handle);
/* Lets a handle of this process go; handles are small integers and keep
** their number in a forked child, whose table is its own. */
void mp_object_detach(struct mp_arena *a, uint32_t handle);

/* Detach and drop may destroy the object (and what it refers to) in the call:
** outside all guards only. */

/* References that are held by a message or a structure, not by a process.
** take: the caller holds a handle or a reference already. */
void mp_object_take(struct mp_arena *a, mp_off off);
void mp_object_drop(struct mp_arena *a, mp_off off);

/* The same for a reference that lies in a word of a shared structure, in one
** step with that word: *word becomes off; *word, if it is not 0, is dropped
** and becomes 0.  Killed at any moment, word and count agree. */
void mp_object_take_at(struct mp_arena *a, mp_off *word, mp_off off);
void mp_object_drop_at(struct mp_arena *a, mp_off *word);

/*
** A message block: bytes with the references that travel in them.  While it
** is in a hand or in a structure, its references count; freeing it
** drops them, also when a sweep frees it.
*/
int mp_message_alloc(struct mp_arena *a, size_t size, const mp_off *refs,
                     uint32_t nrefs, mp_off *out);
void *mp_message_data(const struct mp_arena *a, mp_off message);
uint64_t mp_message_size(const struct mp_arena *a, mp_off message);
void mp_message_free(struct mp_arena *a, mp_off message);

#endif
