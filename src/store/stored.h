/*
** stored.h: what a dict and a list keep: keys and values as bytes
** MIT licence, see LICENSE
**
** A value is of a plain type (its bytes are the value) or a message of the
** codec.  It lies in an entry, behind its key; one that is long or in which
** shared objects travel lies in a blob, a counted object, which the entry
** names.  So a reader copies short values while it is in the guard, attaches a
** blob there and reads it outside, whoever changes the entry meanwhile.
**
**   entry: a block; as a message block (shm/object.h) it counts its blob
**
**     [ hash, klen | shape | key, padded to 8 | value, `room` words ]
**
**   shape: [ value's type:8 | key's type:8 | room:16 | value's bytes:32 ]
**
**   blob: an object of its own
**
**     [ object | type | size | nrefs, at | refs ... | bytes ]
**
** Shape is one word, so a value that changes in place changes by the guard's
** undo log like everything else.  An entry is named by a word: its offset,
** with the lowest bit set when it is a message block.
*/

#ifndef MP_STORE_STORED_H
#define MP_STORE_STORED_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "shm/arena.h"
#include "shm/guard.h"
#include "store/ring.h"
#include "sync/lock.h"

enum mp_stored_type {
  MP_S_FALSE,
  MP_S_TRUE,
  MP_S_INT,     /* int64_t */
  MP_S_FLOAT,   /* double */
  MP_S_STRING,  /* its bytes */
  MP_S_MESSAGE, /* of the codec */
  MP_S_BLOB,    /* mp_off of a blob, which has one of the types above */
  MP_S_ENTRY    /* lists: the element is in an entry */
};

enum {
  MP_S_SHORT = 1024,  /* bytes of a value that lies in its entry */
  MP_S_IN_PLACE = 128 /* of one that is written over another */
};

struct mp_entry {
  uint32_t hash;
  uint32_t klen;
  uint64_t shape;
  unsigned char data[];
};

struct mp_key {
  uint8_t type; /* FALSE, TRUE, INT, FLOAT, STRING */
  uint32_t hash;
  uint64_t size;
  const void *data; /* may be &number */
  union {
    int64_t i;
    double d;
  } number;
};

/* A value on its way in; where it is a message, p says which objects travel
** in it. */
struct mp_value {
  uint8_t type; /* not BLOB, not ENTRY */
  struct mp_parcel p;
  const void *data; /* may be &number: of the plain types */
  union {
    int64_t i;
    double d;
  } number;
};

/* A value on its way out: `bytes` are those of `small`, or of a blob, which is
** attached until mp_got_done. */
struct mp_got {
  uint8_t type;
  uint8_t attached;
  uint32_t handle;
  uint64_t size;
  const void *bytes;
  unsigned char small[MP_S_SHORT];
};

void mp_stored_setup(void); /* idempotent */

/* --- shapes --------------------------------------------------------------- */

static inline uint64_t mp_shape(unsigned type, unsigned ktype, uint64_t room,
                                uint64_t size) {
  return type | (uint64_t)ktype << 8 | room << 16 | size << 32;
}
static inline unsigned mp_shape_type(uint64_t shape) {
  return (unsigned)shape & 0xff;
}
static inline unsigned mp_shape_ktype(uint64_t shape) {
  return (unsigned)(shape >> 8) & 0xff;
}
static inline uint64_t mp_shape_room(uint64_t shape) {
  return shape >> 16 & 0xffff;
}
static inline uint64_t mp_shape_size(uint64_t shape) {
  return shape >> 32;
}
static inline uint64_t mp_pad8(uint64_t n) {
  return (n + 7) & ~UINT64_C(7);
}

/* --- keys and values ------------------------------------------------------ */

/* The key's hash, when the rest of it is filled in. */
uint32_t mp_key_hash(const struct mp_key *k);
void mp_key_int(struct mp_key *k, int64_t i);
void mp_key_string(struct mp_key *k, const void *s, size_t size);

void mp_value_int(struct mp_value *v, int64_t i);
void mp_value_float(struct mp_value *v, double d);
void mp_value_bool(struct mp_value *v, int yes);
void mp_value_string(struct mp_value *v, const void *s, size_t size);

/* Does it go into a blob? */
static inline int mp_value_is_long(const struct mp_value *v) {
  return v->p.size > MP_S_SHORT || v->p.nrefs > 0;
}

/* --- entries -------------------------------------------------------------- */

static inline mp_off mp_entry_block(uint64_t word) {
  return word & ~UINT64_C(15);
}
struct mp_entry *mp_entry_at(const struct mp_arena *a, uint64_t word);

static inline void *mp_entry_value(struct mp_entry *e) {
  return e->data + mp_pad8(e->klen);
}

int mp_entry_has_key(const struct mp_entry *e, const struct mp_key *k);

/*
** Makes an entry, in this process's hand: outside all guards where the value is
** long, else also inside a structure's.  A key of NULL: none.  0,
** MP_ENOARENA, -EBUSY, MP_EPOISONED.
*/
int mp_entry_new(struct mp_arena *a, const struct mp_key *k,
                 const struct mp_value *v, uint64_t *word);

/* Inside g: the value of e becomes v, where that can be logged and the room is
** about right.  1, or 0: it needs an entry of its own.  17 words of log. */
int mp_entry_overwrite(struct mp_arena *a, struct mp_guard *g,
                       struct mp_entry *e, const struct mp_value *v);

/* Inside the guard: copies the value or attaches its blob. */
int mp_entry_get(struct mp_arena *a, struct mp_entry *e, struct mp_got *got);
/* Inside, for who looks at the value there: where it lies, nothing attached. */
void mp_entry_peek(struct mp_arena *a, struct mp_entry *e, struct mp_got *got);
/* Outside. */
void mp_got_done(struct mp_arena *a, struct mp_got *got);

/* --- snapshots ------------------------------------------------------------ */

/*
** A snapshot is a row of entries in private memory, each with as much room as
** its value needs; the value of a BLOB is attached, and the handle is in
** `hash`.  add: inside the guard; nothing is changed where it fails.
*/
int mp_snapshot_add(struct mp_arena *a, struct mp_buf *b, struct mp_entry *e);
/* The same for a value that is in no entry. */
int mp_snapshot_plain(struct mp_buf *b, unsigned type, const void *data,
                      uint64_t size);
static inline size_t mp_snapshot_size(const struct mp_entry *e) {
  return sizeof *e + mp_pad8(e->klen) + mp_pad8(mp_shape_size(e->shape));
}
/* What the entry of a snapshot holds; a blob is `got`'s from then on. */
void mp_snapshot_get(struct mp_arena *a, struct mp_entry *e,
                     struct mp_got *got);
/* Outside: lets go what nobody took. */
void mp_snapshot_free(struct mp_arena *a, struct mp_buf *b);

/* --- changing ------------------------------------------------------------- */

/*
** Enters the guard for a change.  While another process holds the object's
** lock (in update, in sort) nobody else changes it: -EAGAIN then, and the
** caller takes the lock first.  Who takes the lock sees all earlier changes,
** because it enters the guard after that.
*/
int mp_change_enter(struct mp_arena *a, struct mp_lock *l,
                    struct mp_guard *g);

/* Blocks that came into the hand inside a guard and are freed after it. */
struct mp_trash {
  mp_off block[4];
  int n;
};

/* Inside g: 0 or -EBUSY. */
int mp_trash_add(struct mp_arena *a, struct mp_guard *g, struct mp_trash *t,
                 mp_off block);
/* Outside. */
void mp_trash_free(struct mp_arena *a, struct mp_trash *t);

#endif
