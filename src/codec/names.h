/*
** names.h: what can be named instead of sent
** MIT licence, see LICENSE
**
** An index from addresses to paths: the standard library, then all that is
** found in package.loaded by string keys, at any depth, the shortest
** path first.  It is made when it is first needed and again when
** package.loaded has changed.  What it says of an address is believed only
** after the path was followed and led to the very object.
**
** A second, small index has the tables in globals.
*/

#ifndef MP_CODEC_NAMES_H
#define MP_CODEC_NAMES_H

#include <stdint.h>

#include "lua.h"

/* How it begins: a set of addresses that may have a name.  It lies in the
** processor's cache, where most others are told from them. */
enum { MP_NAMES_FILTER = 16384 }; /* bits */
struct mp_names_head {
  uint64_t filter[MP_NAMES_FILTER / 64];
};

struct mp_names;

static inline unsigned mp_names_bit(const void *p) {
  uint64_t h = (uint64_t)(uintptr_t)p * UINT64_C(0x9E3779B97F4A7C15);
  return (unsigned)(h >> 40) % MP_NAMES_FILTER;
}

/* 0: the object has no name; a NULL is something else's. */
static inline int mp_names_maybe(const struct mp_names *n, const void *p) {
  const struct mp_names_head *head = (const void *)n;
  unsigned bit = mp_names_bit(p);
  return (int)(head->filter[bit / 64] >> bit % 64 & 1);
}

enum mp_name_kind {
  MP_NAME_NONE,
  MP_NAME_MODULE, /* a module, or found in one */
  MP_NAME_DATA,   /* found in one, but a table that may be mere data */
  MP_NAME_GLOBAL  /* a table in a global */
};

/* The state's index, up to date as far as package.loaded tells.  `known` is
** what an earlier call returned, or NULL. */
struct mp_names *mp_names_fresh(lua_State *L, struct mp_names *known);

/* Have the modules' tables other entries than when the index was made?  Asked
** for what should have a name, and has none. */
int mp_names_changed(lua_State *L, struct mp_names *n);
/* The same for one object that is asked for again and again, like the local
** class of many messages: most times the answer is remembered. */
int mp_names_changed_for(lua_State *L, struct mp_names *n, const void *p);
/* Then makes it again, which runs Lua's collector. */
void mp_names_look_again(lua_State *L, struct mp_names *n);

/*
** The kind of name that the object on top has.  When it has one, the path's
** strings are pushed above it, module first; *count says how many.
** They do not run Lua's collector.  mp_names_global looks through the globals
** first, unless *looked, which it sets (0 at first), says that it has; `deep`:
** also into tables in tables in globals.
*/
enum mp_name_kind mp_names_module(lua_State *L, struct mp_names *n,
                                  int *count);
enum mp_name_kind mp_names_global(lua_State *L, struct mp_names *n,
                                  int *count, uint8_t *looked, int deep);

/* The address of the globals table. */
const void *mp_names_globals(const struct mp_names *n);

/* Is the value on top, of the global `name`, what the standard library has
** under that name? */
int mp_names_standard(lua_State *L, const char *name);

/* Strings that are needed often, pushed without an allocation; made once a
** state. */
void mp_names_make_words(lua_State *L);
enum mp_word { MP_W_REDUCE, MP_W_INDEX, MP_W_MPREF, MP_W_NAME, MP_W_COUNT };
void mp_names_word(lua_State *L, enum mp_word w);

#endif
