/*
** tags.h: the first byte of every value in a message
** MIT licence, see LICENSE
**
** The single source of the tag table: the enum, the names in messages and
** the table in docs/wire-format.md (checked by a spec) come from here.
** What follows a tag is drawn in docs/wire-format.md.  Records that can be
** referred to (REF) have an even tag; the odd one above it says that somebody
** does, so that the decoder keeps only those.
*/

#ifndef MP_CODEC_TAGS_H
#define MP_CODEC_TAGS_H

/* X(name, tag, last tag of the range, allowed without MP_CODEC_CODE) */
#define MP_TAGS(X)                                                            \
  X(SMALLINT, 0x00, 0x3F, 1) /* integer 0..63 */                              \
  X(SLOT0, 0x40, 0x7F, 1)    /* a string seen before, slot 0..63 */           \
  X(STR0, 0x80, 0xBF, 1)     /* string of 0..63 bytes */                      \
  X(NIL, 0xC0, 0xC0, 1)                                                       \
  X(FALSE, 0xC1, 0xC1, 1)                                                     \
  X(TRUE, 0xC2, 0xC2, 1)                                                      \
  X(INT8, 0xC3, 0xC3, 1)                                                      \
  X(INT16, 0xC4, 0xC4, 1)                                                     \
  X(INT32, 0xC5, 0xC5, 1)                                                     \
  X(INT64, 0xC6, 0xC6, 1)                                                     \
  X(FLOAT, 0xC7, 0xC7, 1)                                                     \
  X(STR16, 0xC8, 0xC8, 1)    /* u16 length, bytes */                          \
  X(BLOB, 0xC9, 0xC9, 1)     /* u64 length; the bytes are after the body */   \
  X(SLOT, 0xCA, 0xCA, 1)     /* a string seen before, u8 slot */              \
  X(REF, 0xCB, 0xCB, 1)      /* varint: offset of a record */                 \
  X(TABLE, 0xCC, 0xCD, 1)    /* u16 list, u16 pairs, values, keys+values */   \
  X(BIG, 0xCE, 0xCF, 1)      /* u32: which of the big tables; as TABLE */     \
  X(OBJECT, 0xD0, 0xD1, 1)   /* u16 u16, as TABLE, then the metatable */      \
  X(BIGOBJECT, 0xD2, 0xD3, 1) /* u32, as BIG, then the metatable */           \
  X(CONDITION, 0xD4, 0xD4, 1) /* then a TABLE: one of the library's errors */ \
  X(SHARED, 0xD6, 0xD7, 1)   /* u8 type, u64 offset in the arena */           \
  X(NAME, 0xD8, 0xD9, 0)     /* path: module, fields */                       \
  X(FUNCTION, 0xDA, 0xDB, 0) /* prototype, upvalues, globals */               \
  X(REDUCE, 0xDC, 0xDD, 0)   /* u32 n, constructor, n arguments */            \
  X(CLASS, 0xDE, 0xDE, 0)    /* path, then a TABLE or OBJECT */               \
  X(NAMED, 0xE0, 0xE0, 0)    /* path, then a TABLE for who lacks it */        \
  X(GLOBALS, 0xE2, 0xE3, 0)  /* the globals table */

enum mp_tag {
#define MP_TAG_ENUM(name, first, last, data) MP_TAG_##name = first,
  MP_TAGS(MP_TAG_ENUM)
#undef MP_TAG_ENUM
};

/* After FUNCTION: a prototype of its own, or one that came earlier. */
enum mp_proto_form { MP_PROTO_NEW = 0, MP_PROTO_SEEN = 1 };
/* In front of a new one's bytes: u64 size, u64 check sum. */
enum { MP_PROTO_HEAD = 16 };
/* Before each upvalue: a variable of its own, or one that came earlier. */
enum mp_upvalue_form { MP_UPVALUE_NEW = 0, MP_UPVALUE_SEEN = 1 };
/* Before each global: its name, or a field of a library table. */
enum mp_global_form { MP_GLOBAL_NAME = 0, MP_GLOBAL_FIELD = 1 };

/*
** The head of a message, 8 bytes:
**
**   magic u8 | version u8 | flags u8 | slots u8 | values u32
**
** then the body: the values.  When MP_HEAD_PARTS is set there follow the counts
** of big tables (two u32 each), the bytes of all blobs, and at the very end
**
**   length of head and body u64 | number of big tables u32
*/
enum {
  MP_MAGIC = 0xB7,
  MP_WIRE_VERSION = 1,
  MP_HEAD = 8,
  MP_TAIL = 12,
  MP_HEAD_PARTS = 1, /* there are big tables or blobs after the body */
  MP_HEAD_CODE = 2,  /* tags that need MP_CODEC_CODE occur */
  MP_HEAD_SHARED = 4 /* shared objects occur */
};

enum {
  MP_SLOTS = 240,      /* strings that can be referred to at a time */
  MP_SLOT_SHORTEST = 2, /* strings of these lengths take a slot */
  MP_SLOT_LONGEST = 40,
  MP_BLOB_SHORTEST = 2048 /* from here on a string is a blob */
};

#endif
