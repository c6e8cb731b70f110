/*
** decode.h: the decoder's state, shared by the codec's own files
** MIT licence, see LICENSE
**
** The mirror of encode.h: frames of its own, their values in slots on the Lua
** stack, the lowest of which are spilled to a table.  Below the slots lie
**
**   index 1   light userdata: struct mp_decoder
**   MEMO      table or nil: offset of a record -> its object
**   CELLS     table or nil: number of an upvalue -> function, index
**   SPILL     table or nil
**   STRINGS.. `strings` slots for short strings
**
** Nothing of the input is trusted: `owed` is how many values the open tables
** still claim; as each takes a byte at least, it never exceeds what is left.
** So what a message makes us allocate is bounded by its length.
*/

#ifndef MP_CODEC_DECODE_H
#define MP_CODEC_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "lua.h"

#include "codec/codec.h"
#include "codec/tags.h"

enum {
  MP_DEC_MEMO = 2,
  MP_DEC_CELLS = 3,
  MP_DEC_SPILL = 4,
  MP_DEC_STRINGS = 5
};

enum mp_dec_kind {
  MP_DEC_TABLE,     /* slots: table [, key] */
  MP_DEC_CONDITION, /* waits for the table inside */
  MP_DEC_CLASS,     /* slots: path or nil, table that is here or nil */
  MP_DEC_FUNCTION,  /* slots: function */
  MP_DEC_GLOBALS,   /* slots: function, library, name */
  MP_DEC_REDUCE     /* slots: list of constructor and arguments */
};

struct mp_dec_frame {
  uint64_t at;   /* offset of the record's tag */
  uint64_t slot; /* the first of its slots */
  uint32_t list; /* entries of the list still to come; others: done */
  uint32_t pairs; /* keys and values still to come; others: of how many */
  uint32_t next; /* index of the next entry of the list */
  uint8_t kind;
  uint8_t have_key;
  uint8_t object; /* a metatable follows */
  uint8_t shared; /* somebody refers to it */
};

struct mp_decoder {
  const unsigned char *p, *end; /* what is left of the body */
  const unsigned char *start;   /* of the message */
  const unsigned char *big;     /* counts of big tables */
  uint32_t nbig;
  const unsigned char *blob, *blob_end;
  struct mp_dec_frame *frames;
  size_t depth, room;
  uint64_t owed;
  uint64_t spilled;
  uint32_t values;
  uint32_t string; /* the slot that the next short string takes */
  uint32_t strings;
  uint32_t cells;
  int base;
  int flags;
  uint8_t here; /* for the next table: enum mp_here */
};

/* Does a table of the message exist here already?  Then it is on top
** of the stack when its record begins. */
enum mp_here {
  MP_HERE_NO,
  MP_HERE_FILL, /* it gets what was sent */
  MP_HERE_KEEP  /* it stays as it is */
};

/* Reads a value.  1: it is on top of the stack; 0: a frame was pushed, its
** value comes later. */
int mp_get_value(lua_State *L, struct mp_decoder *d);

/* The same for what is more than data; the tag is read already. */
int mp_get_name(lua_State *L, struct mp_decoder *d, uint64_t at, int shared);
int mp_get_class(lua_State *L, struct mp_decoder *d, uint64_t at, int tag);
int mp_get_function(lua_State *L, struct mp_decoder *d, uint64_t at,
                    int shared);
int mp_get_reduce(lua_State *L, struct mp_decoder *d, uint64_t at,
                  int shared);
/* The value on top is the next piece of the frame on top: takes it.  1: the
** frame's own value is complete and on top, the frame is gone. */
int mp_take_function(lua_State *L, struct mp_decoder *d);
int mp_take_class(lua_State *L, struct mp_decoder *d);
int mp_take_reduce(lua_State *L, struct mp_decoder *d);

enum {
  MP_DEC_ROOM = 16,  /* what a step may push above its slots */
  MP_DEC_FRAMES = 32 /* frames that lie on the C stack, before any malloc */
};

/* Gives the value on top to the frame on top.  1: that frame is complete, its
** own value is on top now; 0: it needs more. */
int mp_dec_take(lua_State *L, struct mp_decoder *d);

static inline uint64_t mp_dec_left(const struct mp_decoder *d) {
  return (uint64_t)(d->end - d->p);
}

struct mp_dec_frame *mp_dec_push(lua_State *L, struct mp_decoder *d,
                                 enum mp_dec_kind kind, uint64_t at,
                                 int slots);
static inline struct mp_dec_frame *mp_dec_top(struct mp_decoder *d) {
  return &d->frames[d->depth - 1];
}
void mp_dec_pop(lua_State *L, struct mp_decoder *d);

/* The object on top is the record at `at`. */
void mp_dec_remember(lua_State *L, uint64_t at);
/* Reads `n` bytes of the body, or raises. */
const unsigned char *mp_dec_bytes(lua_State *L, struct mp_decoder *d,
                                  uint64_t n);
/* n values must still come, or it raises. */
void mp_dec_claim(lua_State *L, struct mp_decoder *d, uint64_t n);
uint64_t mp_dec_varint(lua_State *L, struct mp_decoder *d);

/* Raises: "damaged message: WHAT at byte N". */
int mp_dec_fail(lua_State *L, struct mp_decoder *d, const char *what);

#endif
