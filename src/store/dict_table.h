/*
** dict_table.h: the table of a dict, for dict*.c alone
** MIT licence, see LICENSE
**
** All inside the dict's guard, but for what says otherwise.
*/

#ifndef MP_STORE_DICT_TABLE_H
#define MP_STORE_DICT_TABLE_H

#include "store/dict.h"

enum { MP_DICT_DELETED = 1, MP_DICT_SMALLEST = 8 };

#define MP_DICT_TAG ((UINT64_C(1) << 23) - 1)

/* word: tag in bits 41-63, offset / 16 in bits 1-40, message in bit 0 */
static inline uint64_t mp_dict_word(uint32_t hash, uint64_t entry) {
  return (hash & MP_DICT_TAG) << 41 | entry >> 4 << 1 | (entry & 1);
}
static inline uint64_t mp_dict_entry(uint64_t word) {
  return ((word >> 1 << 4) & ((UINT64_C(1) << 44) - 1)) | (word & 1);
}
static inline uint64_t mp_dict_tag(uint64_t word) {
  return word >> 41;
}
static inline int mp_dict_is_entry(uint64_t word) {
  return word > MP_DICT_DELETED;
}

static inline uint64_t *mp_dict_words(const struct mp_arena *a,
                                      const struct mp_dict *d) {
  return mp_at(a, d->table);
}

static inline struct mp_entry *mp_dict_at(const struct mp_arena *a,
                                          uint64_t word) {
  return mp_entry_at(a, mp_dict_entry(word));
}

/* The word of a key, or NULL; then *vacant (if not NULL) is where it goes, in
** a table that has room. */
uint64_t *mp_dict_find(struct mp_arena *a, const struct mp_dict *d,
                       const struct mp_key *k, uint64_t **vacant);

/* Makes a table of its own transaction where one more would not fit; the old
** one is trash. */
int mp_dict_room(struct mp_arena *a, struct mp_dict *d, struct mp_trash *t);
/* The same where the table is far too large; no room for that is no fault. */
void mp_dict_shrink(struct mp_arena *a, struct mp_dict *d,
                    struct mp_trash *t);

/* Removes the entry at a word; it comes into the hand as trash.  4 words. */
int mp_dict_remove(struct mp_arena *a, struct mp_dict *d, uint64_t *word,
                   struct mp_trash *t);

#endif
