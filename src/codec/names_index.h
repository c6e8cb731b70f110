/*
** names_index.h: the index of names, for the two files that are about it
** MIT licence, see LICENSE
**
** A userdata in the registry.  A path is a chain of keys from the module on;
** keys are kept in a Lua table (KEYS), so that following a path allocates
** nothing.
*/

#ifndef MP_CODEC_NAMES_INDEX_H
#define MP_CODEC_NAMES_INDEX_H

#include <stdint.h>

#include "lua.h"

#include "base/buf.h"
#include "codec/names.h"
#include "codec/ptrmap.h"

enum {
  MP_NAMES_KEYS = 1, /* number -> key */
  MP_NAMES_QUEUE,    /* tables to look into, only while the index is made */
  MP_NAMES_UVS = 2,
  MP_NAMES_MOST = 200000, /* entries; the deepest are left out beyond */
  MP_NAMES_DEEPEST = 16,  /* keys in a path */
  MP_NAMES_NAMELESS = 16
};

struct mp_name {
  uint32_t up;   /* entry of the table it is in; 0: a module or a global */
  uint32_t key;  /* in KEYS */
  uint8_t depth; /* keys in the path */
  uint8_t kind;  /* enum mp_name_kind */
};

struct mp_names {
  struct mp_names_head head; /* addresses in either map, and the globals' */
  struct mp_ptrmap modules, globals; /* object -> entry */
  struct mp_buf entries;             /* struct mp_name; the first is no entry */
  uint64_t signature; /* of package.loaded, if nobody tells of changes */
  uint64_t inner;     /* of the modules' tables, see look_again */
  uint64_t version, seen; /* of package.loaded: now, and when indexed */
  uint32_t keys;
  uint32_t module_keys; /* how many keys and bytes of entries are modules' */
  size_t module_entries;
  const void *globals_table, *loaded_table;
  const void *nameless[MP_NAMES_NAMELESS]; /* had none when asked for */
  const void *homeless[MP_NAMES_NAMELESS]; /* nor in any global */
  unsigned asked, asked_deep;
  int told; /* changes of package.loaded raise `version` */
};

static inline struct mp_name *mp_names_entry(const struct mp_names *n,
                                             uint64_t i) {
  return (struct mp_name *)(void *)n->entries.data + i;
}

/* Pushes the index. */
void mp_names_push(lua_State *L);

/* Enters the object at `index` with the key on top, found in entry `up` (0: a
** module or a global); `keys` is the index of KEYS.  Its entry; 0: it is
** known. */
uint32_t mp_names_enter(lua_State *L, struct mp_names *n, struct mp_ptrmap *map,
                        int keys, int index, uint32_t up,
                        enum mp_name_kind kind);

#endif
