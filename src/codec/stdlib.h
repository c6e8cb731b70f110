/*
** stdlib.h: what belongs to Lua's standard library
** MIT licence, see LICENSE
*/

#ifndef MP_CODEC_STDLIB_H
#define MP_CODEC_STDLIB_H

#include "lua.h"

struct mp_library {
  const char *name;          /* in package.loaded; "_G" is the base library */
  const char *const *fields; /* ends with NULL */
};

/* Ends with a NULL name.  An index into it travels in messages: new
** libraries go to the end. */
extern const struct mp_library mp_libraries[];

int mp_library_has(const struct mp_library *lib, const char *field);

/* Pushes a table: library -> field -> the C function that Lua has there. */
void mp_originals_push(lua_State *L);

/* Pops a function that counts as Lua's own in that place from now on.  Must
** come before the first message. */
void mp_originals_stand_in(lua_State *L, const char *lib, const char *field);

#endif
