/*
** dict.h: keys and values in the arena: what m:dict() is
** MIT licence, see LICENSE
**
** A hash table of words, open addressing, linear probing; each word names an
** entry (store/stored.h), which is a block of its own:
**
**   dict  [ lock | flags | table, cap | count, used | guard ]
**             |            |
**             |            v   0: never used, 1: deleted
**             |          [ 0 | word | 1 | word | word | 0 ... ]     cap words
**             |                  |
**             |                  v
**             |          [ hash | shape | key | value ]             an entry
**             held by who runs update(k, f): others do not change meanwhile
**
**   word: [ hash's low bits:23 | offset / 16:40 | message:1 ]
**
** Every operation is one transaction of the guard, of at most 24 words.  What
** changes without bound is built aside and published with the table's place:
** a bigger or smaller table; what clear leaves; the sum of two dicts.  The
** old table then is in the hand, and old entries in a dict that nobody else
** knows (a `bag`), whose destruction frees them step by step: killed anywhere,
** a sweep goes on with it.
**
** While used <= 3/4 cap there is always a 0, so a probe ends.  A table is a
** power of two and grows to twice or four times its count; it shrinks when
** it is filled to less than an eighth.
**
** A key or value of NaN, nil...: the caller's business.  The functions know
** nothing of Lua.  Those that change return -EAGAIN while another process
** holds the lock; the caller takes it (mp_lock_acquire) and tries again.
*/

#ifndef MP_STORE_DICT_H
#define MP_STORE_DICT_H

#include <stdint.h>

#include "base/buf.h"
#include "shm/arena.h"
#include "shm/guard.h"
#include "store/stored.h"
#include "sync/lock.h"

enum { MP_DICT_NAMESPACE = 1 };

struct mp_dict {
  struct mp_lock lock;
  uint64_t flags;
  mp_off table;
  uint64_t cap;
  uint64_t count; /* entries */
  uint64_t used;  /* words that are not 0 */
  struct mp_guard guard;
};

void mp_dict_setup(void); /* idempotent */

/* After mp_object_create with size sizeof(struct mp_dict). */
int mp_dict_init(struct mp_dict *d, uint32_t flags);
/* Both in one. */
int mp_dict_create(struct mp_arena *a, uint32_t flags, mp_off *out,
                   uint32_t *handle);

/* --- one key -------------------------------------------------------------- */

/* 1: *got is the value (mp_got_done when it was read); 0: there is none. */
int mp_dict_get(struct mp_arena *a, struct mp_dict *d, const struct mp_key *k,
                struct mp_got *got);
int mp_dict_has(struct mp_arena *a, struct mp_dict *d,
                const struct mp_key *k);
int64_t mp_dict_count(struct mp_arena *a, struct mp_dict *d);

/* 1: the key is new; 0: it was there; MP_ENOARENA, MP_EPOISONED and so on:
** nothing is changed. */
int mp_dict_set(struct mp_arena *a, struct mp_dict *d, const struct mp_key *k,
                const struct mp_value *v);
/* 1: it is there already, and *got; 0: it was set. */
int mp_dict_setdefault(struct mp_arena *a, struct mp_dict *d,
                       const struct mp_key *k, const struct mp_value *v,
                       struct mp_got *got);
/* 1: it was there, and *got (which may be NULL); 0. */
int mp_dict_pop(struct mp_arena *a, struct mp_dict *d, const struct mp_key *k,
                struct mp_got *got);
/* *sum = value + v, both INT or FLOAT, Lua's way; a missing one counts as 0.
** 0, or -EINVAL: the value is no number. */
int mp_dict_incr(struct mp_arena *a, struct mp_dict *d,
                 const struct mp_key *k, const struct mp_value *v,
                 struct mp_value *sum);

/* --- all of it ------------------------------------------------------------ */

/* A snapshot of all entries (store/stored.h), to be freed also when it fails;
** its number of entries. */
int64_t mp_dict_snapshot(struct mp_arena *a, struct mp_dict *d,
                         struct mp_buf *b);

/* Moves everything from `from` into d; what it replaces is in `from` then.
** Only this process knows `from`. */
int mp_dict_merge(struct mp_arena *a, struct mp_dict *d,
                  struct mp_dict *from);

/* Empties it; `bag`, new and empty and this process's own, has the rest. */
int mp_dict_clear(struct mp_arena *a, struct mp_dict *d,
                  struct mp_dict *bag);

/* Counts everything anew and compares.  0 or MP_ECORRUPT; for tests. */
int mp_dict_check(struct mp_arena *a, struct mp_dict *d);

#endif
