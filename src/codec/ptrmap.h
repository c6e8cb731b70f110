/*
** ptrmap.h: addresses -> numbers, in private memory
** MIT licence, see LICENSE
**
** Open addressing, linear probing, at most half full.  Nothing is ever
** removed, only everything at once, which takes no time: entries of an earlier
** generation are free.  An address is a key, it is never read.  Numbers have
** 48 bits.
*/

#ifndef MP_CODEC_PTRMAP_H
#define MP_CODEC_PTRMAP_H

#include <stddef.h>
#include <stdint.h>

struct mp_ptrmap_entry {
  const void *key;
  uint64_t value : 48;
  uint64_t generation : 16; /* not the map's own: free */
};

struct mp_ptrmap {
  struct mp_ptrmap_entry *entries;
  size_t mask; /* room - 1; entries is NULL while it is 0 */
  size_t count;
  uint16_t generation; /* never 0 while there are entries */
};

void mp_ptrmap_fini(struct mp_ptrmap *m);

/* Forgets everything; large memory is given back. */
void mp_ptrmap_clear(struct mp_ptrmap *m);

/* Finds key.  1: *value is its number; 0: there is none. */
int mp_ptrmap_get(const struct mp_ptrmap *m, const void *key, uint64_t *value);

/*
** Puts key with `value`, unless it is there.  1: it is new; 0: *found is its
** number; -ENOMEM.
*/
int mp_ptrmap_put(struct mp_ptrmap *m, const void *key, uint64_t value,
                  uint64_t *found);

/* Changes the number of a key that is there. */
void mp_ptrmap_set(struct mp_ptrmap *m, const void *key, uint64_t value);

/* Objects that are made one after the other are met one after the other, too:
** those of a kilobyte stay together, and so share cache lines here. */
static inline size_t mp_ptr_hash(const void *key) {
  uint64_t line = (uint64_t)(uintptr_t)key >> 6;
  uint64_t h = (line >> 4) * UINT64_C(0x9E3779B97F4A7C15);
  return (size_t)(h >> 32 << 4) + (line & 15);
}

#endif
