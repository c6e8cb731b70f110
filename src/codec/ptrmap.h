/*
** ptrmap.h: addresses -> numbers, in private memory
** MIT licence, see LICENSE
**
** Open addressing, linear probing, at most half full.  Nothing is ever
** removed, only everything at once.  An address is a key, it is never read.
*/

#ifndef MP_CODEC_PTRMAP_H
#define MP_CODEC_PTRMAP_H

#include <stddef.h>
#include <stdint.h>

struct mp_ptrmap_entry {
  const void *key; /* NULL: free */
  uint64_t value;
};

struct mp_ptrmap {
  struct mp_ptrmap_entry *entries;
  size_t mask; /* room - 1; entries is NULL while it is 0 */
  size_t count;
};

void mp_ptrmap_fini(struct mp_ptrmap *m);

/* Forgets everything; large memory is given back. */
void mp_ptrmap_clear(struct mp_ptrmap *m);

/* The value of key, or NULL; valid until the next put. */
uint64_t *mp_ptrmap_get(const struct mp_ptrmap *m, const void *key);

/*
** The value of key, which is put with `value` when it is new.  *found says
** which.  NULL when memory is short.
*/
uint64_t *mp_ptrmap_put(struct mp_ptrmap *m, const void *key, uint64_t value,
                        int *found);

/* Neighbours stay neighbours: objects that were made one after the other are
** met one after the other, too, and so share cache lines here. */
static inline size_t mp_ptr_hash(const void *key) {
  uint64_t p = (uint64_t)(uintptr_t)key >> 4;
  return (size_t)(p ^ (p >> 12) * UINT64_C(0x9E3779B1));
}

#endif
