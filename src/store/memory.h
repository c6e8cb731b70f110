/*
** memory.h: SharedMemory: bytes
** MIT licence, see LICENSE
**
** Without a name they follow the object's head in the arena.  With a name they
** are a mapping of this process, which nobody counts: they live until unlink.
*/

#ifndef MP_STORE_MEMORY_H
#define MP_STORE_MEMORY_H

#include <stdint.h>

#include "shm/object.h"

struct mp_memory {
  struct mp_object head;
  uint64_t size;
  unsigned char data[];
};

/* Maps the memory of that name; create: it must not exist yet, and has `size`
** bytes; else *size is what it has.  0 or a negative errno. */
int mp_memory_map(const char *name, int create, uint64_t *size, void **out);
void mp_memory_unmap(void *data, uint64_t size);

#endif
