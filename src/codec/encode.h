/*
** encode.h: the encoder's state, shared by the codec's own files
** MIT licence, see LICENSE
**
** The encoder walks with a stack of frames of its own, one for each value
** that is half written.  What a frame works on lies on the Lua stack, from
** its first *slot* on; slots are numbered from the bottom of the walk.  When
** there are too many, the lowest move to a Lua table (`spilled` counts them):
**
**   slots   0 ........ spilled | spilled ........ top
**           in the spill table | on the Lua stack, from index `base` on
**
** While only data is met, nothing here allocates from Lua or runs its
** collector, so addresses serve as identities.  Where user code or the
** collector may run (`rich`), each object met is kept alive in the anchor
** table first; a walk that turns rich begins again.
*/

#ifndef MP_CODEC_ENCODE_H
#define MP_CODEC_ENCODE_H

#include <stddef.h>
#include <stdint.h>

#include "lua.h"

#include "base/buf.h"
#include "codec/codec.h"
#include "codec/names.h"
#include "codec/ptrmap.h"
#include "codec/tags.h"

enum mp_frame_kind {
  MP_FRAME_TABLE,    /* slots: table, key [, value] */
  MP_FRAME_TAIL,     /* slots: table; its metatable is being written */
  MP_FRAME_FUNCTION, /* slots: function; an upvalue is being written */
  MP_FRAME_GLOBALS,  /* slots: function, name [, library]; a global is */
  MP_FRAME_REDUCE    /* slots: object, list of constructor and arguments */
};

struct mp_frame {
  uint64_t at;   /* offset of the record's tag */
  uint64_t slot; /* the first of its slots */
  uint32_t list; /* TABLE: entries written as a list; others: how many done */
  uint32_t pairs; /* TABLE: entries written as key and value; others: of how
                     many */
  uint32_t until; /* TABLE: if not 0, the list is read by index up to here */
  uint8_t kind;
  uint8_t in_list;   /* TABLE: still in the list */
  uint8_t value_due; /* TABLE: a key is being written, its value comes next */
  uint8_t object;    /* TABLE: a metatable follows */
  uint32_t need;     /* FUNCTION: first of its entries in `needs` */
};

struct mp_span {
  const char *data;
  size_t size;
};

/* A short string that was written lately; see put_string. */
struct mp_recent {
  const char *string;
  uint64_t number;
};

enum { MP_RECENT = 512 };

/* What a function needs, to be sent with it: the name is in `out`, where
** its prototype lies. */
struct mp_need {
  uint64_t at;
  uint32_t size;
  int32_t library; /* -1: a global; else a field of that library */
};

/* A prototype that was written. */
struct mp_proto {
  unsigned char hash[16];
  uint64_t at;   /* of its size */
  uint64_t size;
  uint64_t envs; /* which of the upvalues were the globals table */
};

struct mp_encoded {
  struct mp_buf out; /* head, body, big tables */
  struct mp_ptrmap seen; /* object -> offset of its record */
  struct mp_frame *frames;
  size_t depth, room;
  struct mp_buf spans; /* struct mp_span */
  uint64_t blobs;      /* bytes in spans */
  struct mp_buf big;  /* two u32 a table */
  struct mp_buf refs; /* mp_off */
  struct mp_buf needs; /* struct mp_need */
  struct mp_buf named; /* struct mp_named, of one function */
  uint64_t recent_base, recent_count;
  int slots; /* string slots that are referred to */
  int flags;
  uint8_t head_flags;
  uint8_t tail_size; /* 0 or MP_TAIL */
  unsigned char tail[MP_TAIL];
  uint8_t rich, turn_rich, spill_used;
  uint8_t looked, looked_again; /* through globals, modules: once a message */
  uint8_t noted; /* SENT and ADDITIONS have something of the last message */
  uint8_t carries; /* globals by value */
  uint8_t additions; /* 2: the libraries' tables were not looked up yet */
  uint8_t clean;
  struct mp_names *names; /* NULL when no code may pass */
  struct mp_names *index; /* the same, from one message to the next */
  uint64_t limit;
  const char *root;
  int64_t item;
  const char *detail; /* what an error says after the place, or NULL */
  int first, n, current; /* stack indices and count of the values */
  int self;              /* stack index of this userdata */
  int base;              /* stack index of slot `spilled` */
  uint64_t spilled;
  uint64_t anchors;
  uint64_t cells; /* upvalues numbered so far */
  struct mp_ptrmap cell_of; /* upvalue -> number */
  struct mp_buf protos; /* struct mp_proto */
  struct mp_recent recent[MP_RECENT];
};

/* uservalues of the userdata */
enum {
  MP_UV_ANCHORS = 1,
  MP_UV_SPILL,
  MP_UV_SENT,      /* names of globals that were sent -> true */
  MP_UV_ADDITIONS, /* libraries' tables by number; fields that were checked */
  MP_UV_ENV,       /* what stands for the globals in functions, or no table */
  MP_UV_COUNT = 5
};

/*
** Writes the value on top of the stack.  1: it is written (and still there);
** 0: a frame was pushed, which will remove it when it is written.
*/
int mp_put_value(lua_State *L, struct mp_encoded *e);
/* The same for the kinds that are more than data: encode_object.c,
** encode_function.c.  The record begins at the end of `out`. */
int mp_put_object(lua_State *L, struct mp_encoded *e); /* has a metatable */
int mp_put_userdata(lua_State *L, struct mp_encoded *e);
int mp_put_function(lua_State *L, struct mp_encoded *e);
/* A table's record, from the tag on: opens its frame, so: 0. */
int mp_put_table(lua_State *L, struct mp_encoded *e, int object);

/* The next piece of the frame on top, up to a value that opens a frame. */
void mp_enc_step(lua_State *L, struct mp_encoded *e);
/* The same for frames of kinds that are more than data. */
void mp_step_reduce(lua_State *L, struct mp_encoded *e);
void mp_step_function(lua_State *L, struct mp_encoded *e);

int mp_put_light(lua_State *L, struct mp_encoded *e);
int mp_put_c_function(lua_State *L, struct mp_encoded *e);
/* By name, when the object on top has one: 1 or 0 as above; else -1. */
int mp_put_named(lua_State *L, struct mp_encoded *e);

/* Room for n more bytes at the end of `out`; raises. */
unsigned char *mp_enc_grow(lua_State *L, struct mp_encoded *e, size_t n);

static inline unsigned char *mp_enc_room(lua_State *L, struct mp_encoded *e,
                                         size_t n) {
  if (e->out.cap - e->out.len < n)
    return mp_enc_grow(L, e, n);
  return e->out.data + e->out.len;
}

static inline void mp_enc_advance(struct mp_encoded *e, unsigned char *to) {
  e->out.len = (size_t)(to - e->out.data);
}

static inline void mp_enc_tag(lua_State *L, struct mp_encoded *e, int tag) {
  unsigned char *p = mp_enc_room(L, e, 1);
  *p = (unsigned char)tag;
  e->out.len++;
}

void mp_enc_varint(lua_State *L, struct mp_encoded *e, uint64_t v);
void mp_enc_bytes(lua_State *L, struct mp_encoded *e, const void *p, size_t n);
/* Appends to one of the other buffers; raises. */
void mp_enc_note(lua_State *L, struct mp_buf *b, const void *p, size_t n);

/* A frame whose slots begin with the `slots` topmost values. */
struct mp_frame *mp_enc_push(lua_State *L, struct mp_encoded *e,
                             enum mp_frame_kind kind, uint64_t at, int slots);
static inline struct mp_frame *mp_enc_top(struct mp_encoded *e) {
  return &e->frames[e->depth - 1];
}
/* Removes the frame on top (its slots are off the Lua stack already). */
void mp_enc_pop(lua_State *L, struct mp_encoded *e);
/* Pushes the value in slot n. */
void mp_enc_slot(lua_State *L, struct mp_encoded *e, uint64_t n);

/* Pushes a userdata that nobody uses. */
struct mp_encoded *mp_enc_new(lua_State *L);
/* Ready for a new message; big memory is given back. */
void mp_enc_reset(struct mp_encoded *e);

/* The record of `object` begins here, not where it was said to: a prefix
** was written. */
void mp_enc_record_begins(struct mp_encoded *e, const void *object);

/* Keeps the value on top alive until the message is done. */
void mp_enc_anchor(lua_State *L, struct mp_encoded *e);

/* From here on user code or the collector may run.  Raises nothing; 0 when
** the walk has to begin again, which it does once the callers return 1. */
int mp_enc_turn_rich(struct mp_encoded *e);

/* Raises SerializationError: "cannot serialize WHAT at PATH". */
int mp_enc_fail(lua_State *L, struct mp_encoded *e, const char *fmt, ...);
/* Pushes " at PATH", or "". */
void mp_enc_path(lua_State *L, struct mp_encoded *e);

#endif
