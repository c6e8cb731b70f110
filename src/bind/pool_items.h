/*
** pool_items.h: a pool's items and results as bytes
** MIT licence, see LICENSE
**
** Most items are a number or a short string, and there may be millions: those
** are written here, in a few bytes each; all else is a message of the codec.
**
**   values:  NIL | FALSE | TRUE | INT1 i8 | INT2 i16 | INT4 i32 | INT8 i64
**            | NUM f64 | STR1 u8 bytes | STR4 u32 bytes
**            | MANY u8 scalar...            any number but one
**            | CODED u64 message            of the codec: all the values
**   result:  DONE values | FAILED values (error value, traceback) | NOMEM
*/

#ifndef MP_BIND_POOL_ITEMS_H
#define MP_BIND_POOL_ITEMS_H

#include <stddef.h>
#include <stdint.h>

#include "lua.h"

#include "base/buf.h"
#include "codec/codec.h"

enum mp_item_result { MP_ITEM_DONE, MP_ITEM_FAILED, MP_ITEM_NOMEM };

/* Bytes that n scalars, stack[first..], take; 0: not all are scalars, or there
** are too many. */
size_t mp_item_size(lua_State *L, int first, int n);
/* Writes them; returns the end. */
unsigned char *mp_item_write(lua_State *L, int first, int n, unsigned char *p);

/* For what is no scalar: the encoded message behind its head. */
enum { MP_ITEM_HEAD = 9 };
unsigned char *mp_item_write_coded(const struct mp_encoded *e,
                                   unsigned char *p);

/* What the values of an item travel with. */
extern const struct mp_codec_opts mp_item_opts;

/*
** Pushes the values at *p, which lie before `end`, and moves *p behind them.
** Their number; or a negative code and one error value pushed.  Raises
** memory errors only.
*/
int mp_item_read(lua_State *L, const unsigned char **p,
                 const unsigned char *end);

#endif
