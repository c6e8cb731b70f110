/*
** values.h: lists of Lua values for hosts
** MIT licence, see LICENSE
**
** A list is the stack of a lua_State: one of its own, with a limit on its
** memory and no libraries, or a thread of somebody's (a view).
*/

#ifndef MP_EMBED_VALUES_H
#define MP_EMBED_VALUES_H

#include <stddef.h>

#include "lua.h"

#include "base/buf.h"
#include "codec/codec.h"
#include "mplua.h"

struct mplua_values {
  lua_State *L;
  size_t used, most; /* bytes; of a state of its own */
};

/* NULL without memory. */
mplua_values *mp_values_limited(size_t most);

/* Appends the values as one message (data only) to b.  0, -ENOMEM, or
** MPLUA_ELUA with the reason in *e. */
int mp_values_encode(const mplua_values *v, struct mp_buf *b,
                     struct mplua_error *e);

/* Appends a message's values.  Their number; MPLUA_ECORRUPT, -ENOMEM. */
int mp_values_decode(mplua_values *v, const void *p, size_t size);

/* The same for n values of any state from index `first` on.  L's stack is as
** it was. */
int mp_values_encode_from(lua_State *L, int first, int n,
                          const struct mp_codec_opts *opts, struct mp_buf *b,
                          struct mplua_error *e);

#endif
