/*
** ptrmap.c: addresses -> numbers, in private memory
** MIT licence, see LICENSE
*/

#include "codec/ptrmap.h"

#include <stdlib.h>
#include <string.h>

enum { SMALLEST = 32, KEEP = 1024 };

void mp_ptrmap_fini(struct mp_ptrmap *m) {
  free(m->entries);
  memset(m, 0, sizeof *m);
}

void mp_ptrmap_clear(struct mp_ptrmap *m) {
  if (m->count == 0)
    return;
  if (m->mask >= KEEP) {
    mp_ptrmap_fini(m);
    return;
  }
  memset(m->entries, 0, (m->mask + 1) * sizeof *m->entries);
  m->count = 0;
}

/* The entry of key, or the free one where it belongs. */
static struct mp_ptrmap_entry *find(const struct mp_ptrmap *m,
                                    const void *key) {
  size_t i = mp_ptr_hash(key) & m->mask;
  while (m->entries[i].key != NULL && m->entries[i].key != key)
    i = (i + 1) & m->mask;
  return &m->entries[i];
}

uint64_t *mp_ptrmap_get(const struct mp_ptrmap *m, const void *key) {
  if (m->entries == NULL)
    return NULL;
  struct mp_ptrmap_entry *e = find(m, key);
  return e->key == NULL ? NULL : &e->value;
}

static int grow(struct mp_ptrmap *m) {
  struct mp_ptrmap bigger = {NULL, 0, m->count};
  size_t room = m->entries == NULL ? SMALLEST : (m->mask + 1) * 4;
  bigger.entries = calloc(room, sizeof *bigger.entries);
  if (bigger.entries == NULL)
    return 0;
  bigger.mask = room - 1;
  for (size_t i = 0; m->entries != NULL && i <= m->mask; i++)
    if (m->entries[i].key != NULL)
      *find(&bigger, m->entries[i].key) = m->entries[i];
  free(m->entries);
  *m = bigger;
  return 1;
}

uint64_t *mp_ptrmap_put(struct mp_ptrmap *m, const void *key, uint64_t value,
                        int *found) {
  if (m->count * 2 >= m->mask && !grow(m))
    return NULL;
  struct mp_ptrmap_entry *e = find(m, key);
  *found = e->key != NULL;
  if (!*found) {
    e->key = key;
    e->value = value;
    m->count++;
  }
  return &e->value;
}
