/*
** bundle.h: the Lua half of the library, compiled into the binary
** MIT licence, see LICENSE
**
** The table is made at build time by scripts/build/bundle.c from lua/; it
** ends with an entry whose name is NULL.
*/

#ifndef MP_BIND_BUNDLE_H
#define MP_BIND_BUNDLE_H

#include <stddef.h>

struct mp_bundle {
  const char *name; /* module, "multiprocessing.pool" */
  const unsigned char *code;
  size_t size;
};

extern const struct mp_bundle mp_bundle[];

#endif
