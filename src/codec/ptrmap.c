/*
** ptrmap.c: addresses -> numbers, in private memory
** MIT licence, see LICENSE
*/

#include "codec/ptrmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
  SMALLEST = 64,
  KEEP = 256 * 1024 /* entries that stay when the map is cleared */
};
#define VALUE_MASK ((UINT64_C(1) << 48) - 1)

void mp_ptrmap_fini(struct mp_ptrmap *m) {
  free(m->entries);
  memset(m, 0, sizeof *m);
}

void mp_ptrmap_clear(struct mp_ptrmap *m) {
  if (m->count == 0)
    return;
  if (m->mask >= KEEP || m->generation == UINT16_MAX) {
    mp_ptrmap_fini(m);
    return;
  }
  m->generation++;
  m->count = 0;
}

/* The entry of key, or the free one where it belongs. */
static inline struct mp_ptrmap_entry *find(const struct mp_ptrmap *m,
                                           const void *key) {
  size_t i = mp_ptr_hash(key) & m->mask;
  while (m->entries[i].generation == m->generation && m->entries[i].key != key)
    i = (i + 1) & m->mask;
  return &m->entries[i];
}

int mp_ptrmap_get(const struct mp_ptrmap *m, const void *key,
                  uint64_t *value) {
  if (m->count == 0)
    return 0;
  const struct mp_ptrmap_entry *e = find(m, key);
  if (e->generation != m->generation)
    return 0;
  *value = e->value;
  return 1;
}

void mp_ptrmap_set(struct mp_ptrmap *m, const void *key, uint64_t value) {
  find(m, key)->value = value & VALUE_MASK;
}

static int grow(struct mp_ptrmap *m) {
  struct mp_ptrmap bigger = {NULL, 0, m->count, 1};
  size_t room = m->entries == NULL ? SMALLEST : (m->mask + 1) * 4;
  bigger.entries = calloc(room, sizeof *bigger.entries);
  if (bigger.entries == NULL)
    return -ENOMEM;
  bigger.mask = room - 1;
  for (size_t i = 0; m->entries != NULL && i <= m->mask; i++)
    if (m->entries[i].generation == m->generation) {
      struct mp_ptrmap_entry *e = find(&bigger, m->entries[i].key);
      *e = m->entries[i];
      e->generation = 1;
    }
  free(m->entries);
  *m = bigger;
  return 0;
}

int mp_ptrmap_put(struct mp_ptrmap *m, const void *key, uint64_t value,
                  uint64_t *found) {
  if (m->count * 2 >= m->mask && grow(m) < 0)
    return -ENOMEM;
  struct mp_ptrmap_entry *e = find(m, key);
  if (e->generation == m->generation) {
    *found = e->value;
    return 0;
  }
  e->key = key;
  e->value = value & VALUE_MASK;
  e->generation = m->generation;
  m->count++;
  return 1;
}
