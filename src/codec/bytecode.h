/*
** bytecode.h: which globals a dumped function names
** MIT licence, see LICENSE
**
** Reads what lua_dump of Lua 5.4 wrote, nested functions too, following
** the globals table from the upvalues into registers and on into nested
** functions.  What the code computes (_G[name], load) cannot be seen.
*/

#ifndef MP_CODEC_BYTECODE_H
#define MP_CODEC_BYTECODE_H

#include <stddef.h>

#include "base/buf.h"

struct mp_named {
  size_t at, size; /* of the name, in the dump */
  int is_field;    /* a field of something; else a global */
};

/*
** Appends a struct mp_named to `out` for every global that is read, and, when
** `fields` is true, for every constant name that is looked up in anything
** else.  is_env[i] says whether upvalue i + 1 is the globals table.
** 0, -ENOMEM; other dumps than 5.4's name nothing.
*/
int mp_bytecode_names(const unsigned char *dump, size_t size,
                      const unsigned char *is_env, int fields,
                      struct mp_buf *out);

#endif
