/*
** keep.h: a word of an object that owns a block of the arena
** MIT licence, see LICENSE
**
** The block goes from the hand into the word, or back, in one transaction, so
** whoever is killed between, it is neither lost nor freed twice.  A reference
** to another object is kept as an empty message in which it travels.
*/

#ifndef MP_SYNC_KEEP_H
#define MP_SYNC_KEEP_H

#include "shm/arena.h"
#include "shm/guard.h"

/* The word gets a block that is in our hand. */
int mp_keep_block(struct mp_arena *a, struct mp_guard *g, mp_off *word,
                  mp_off block);
/* The word gets a reference to the object at `to`. */
int mp_keep_set(struct mp_arena *a, struct mp_guard *g, mp_off *word,
                mp_off to);
/* Frees what the word has; repeatable, for destroy functions. */
void mp_keep_drop(struct mp_arena *a, struct mp_guard *g, mp_off *word);

#endif
