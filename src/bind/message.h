/*
** message.h: Lua values into parcels, items into Lua values
** MIT licence, see LICENSE
**
** For everything that sends within the family: code and shared objects may
** pass.  What a process receives replaces its globals if it is somebody's
** child, and does not if it is the root of its family.
*/

#ifndef MP_BIND_MESSAGE_H
#define MP_BIND_MESSAGE_H

#include "lua.h"

#include "codec/codec.h"
#include "codec/scalar.h"
#include "store/ring.h"

/* Encodes stack[index]; pushes what keeps the parcel alive.  May raise; pop
** with mp_encoded_done when the parcel was used. */
struct mp_encoded *mp_message_encode(lua_State *L, int index,
                                     struct mp_parcel *p);

/* The same for element `item` of a list: errors say so. */
struct mp_encoded *mp_message_encode_item(lua_State *L, int index,
                                          int64_t item, struct mp_parcel *p);

/* The same without the encoder for a plain value, which must stay where it is:
** *s keeps what the parcel needs.  0: it is none. */
int mp_message_scalar(lua_State *L, int index, struct mp_scalar *s,
                      struct mp_parcel *p);

/* Describes an encoded message as a parcel. */
void mp_message_parcel(const struct mp_encoded *e, struct mp_parcel *p);

/* mp_message_decode for whoever has nothing else in hand and can be raised
** from: what does not lie in a block is read without protection. */
int mp_message_take(lua_State *L, struct mp_arena *a, struct mp_item *item);

/* Decodes and frees an item: pushes its value and returns 1, or pushes the
** error value and returns a negative code.  Never raises. */
int mp_message_decode(lua_State *L, struct mp_arena *a, struct mp_item *item);

/* Raises the condition `name`; stack: ... value, message.  The error's `value`
** is that value.  Does not return. */
int mp_raise_value(lua_State *L, const char *name);

#endif
