/*
** dict_table.c: the table of a dict: places, growth, sums, the end
** MIT licence, see LICENSE
*/

#include "store/dict_table.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/code.h"
#include "shm/object.h"
#include "shm/slot.h"

enum { STEP = 8 }; /* entries that are freed, or moved, in one transaction */

/* A table that is being built, in the hand, or is there. */
struct table {
  mp_off off;
  uint64_t *words;
  uint64_t cap;
  uint64_t count;
};

/* --- places --------------------------------------------------------------- */

/* Up to 2^23 words the tag alone tells the place. */
static uint64_t hash_of(const struct mp_arena *a, uint64_t word,
                        uint64_t cap) {
  return cap <= MP_DICT_TAG + 1 ? mp_dict_tag(word)
                                : mp_dict_at(a, word)->hash;
}

uint64_t *mp_dict_find(struct mp_arena *a, const struct mp_dict *d,
                       const struct mp_key *k, uint64_t **vacant) {
  uint64_t *words = mp_dict_words(a, d), *deleted = NULL;
  uint64_t mask = d->cap - 1, tag = k->hash & MP_DICT_TAG;
  if (d->cap == 0)
    return NULL;
  uint64_t i = k->hash & mask;
  for (; words[i] != 0; i = (i + 1) & mask) {
    if (words[i] == MP_DICT_DELETED) {
      if (deleted == NULL)
        deleted = &words[i];
    }
    else if (mp_dict_tag(words[i]) == tag &&
             mp_entry_has_key(mp_dict_at(a, words[i]), k))
      return &words[i];
  }
  if (vacant != NULL)
    *vacant = deleted != NULL ? deleted : &words[i];
  return NULL;
}

/* --- building aside ------------------------------------------------------- */

static uint64_t cap_for(uint64_t count) {
  uint64_t cap = MP_DICT_SMALLEST;
  while (cap < count * 2)
    cap *= 2;
  return cap;
}

static void place(struct mp_arena *a, struct table *t, uint64_t word) {
  uint64_t mask = t->cap - 1, i = hash_of(a, word, t->cap) & mask;
  while (t->words[i] != 0)
    i = (i + 1) & mask;
  t->words[i] = word;
  t->count++;
}

static int table_new(struct mp_arena *a, uint64_t count, struct table *t) {
  t->cap = cap_for(count);
  t->count = 0;
  int rc = mp_alloc(a, t->cap * sizeof(uint64_t), &t->off);
  if (rc < 0)
    return rc;
  t->words = mp_at(a, t->off);
  memset(t->words, 0, t->cap * sizeof(uint64_t));
  return 0;
}

static void place_all(struct mp_arena *a, struct table *t,
                      const struct mp_dict *d) {
  const uint64_t *words = mp_dict_words(a, d);
  for (uint64_t i = 0; i < d->cap; i++)
    if (mp_dict_is_entry(words[i]))
      place(a, t, words[i]);
}

/* g is the guard whose transaction it is.  4 words. */
static void set_table(struct mp_arena *a, struct mp_guard *g,
                      struct mp_dict *d, mp_off off, uint64_t cap,
                      uint64_t count) {
  mp_set64(a, g, &d->table, off);
  mp_set64(a, g, &d->cap, cap);
  mp_set64(a, g, &d->count, count);
  mp_set64(a, g, &d->used, count);
}

/* The built table becomes d's: 6 words. */
static int publish(struct mp_arena *a, struct mp_dict *d,
                   const struct table *new, struct mp_trash *t) {
  int rc = d->table != 0 ? mp_trash_add(a, &d->guard, t, d->table) : 0;
  if (rc < 0)
    return rc;
  set_table(a, &d->guard, d, new->off, new->cap, new->count);
  mp_hand_clear(a, &d->guard, new->off);
  return 0;
}

/* What was built for nothing goes when the guard is left. */
static int discard(struct mp_arena *a, struct mp_dict *d,
                   const struct table *new, int rc) {
  mp_guard_undo(a, &d->guard);
  mp_free(a, new->off);
  return rc;
}

static int rebuild(struct mp_arena *a, struct mp_dict *d, uint64_t count,
                   struct mp_trash *t) {
  struct table new;
  int rc = table_new(a, count, &new);
  if (rc < 0)
    return rc;
  place_all(a, &new, d);
  rc = publish(a, d, &new, t);
  if (rc < 0)
    return discard(a, d, &new, rc);
  mp_guard_commit(&d->guard);
  return 0;
}

int mp_dict_room(struct mp_arena *a, struct mp_dict *d, struct mp_trash *t) {
  if ((d->used + 1) * 4 <= d->cap * 3)
    return 0;
  return rebuild(a, d, d->count + 1, t);
}

void mp_dict_shrink(struct mp_arena *a, struct mp_dict *d,
                    struct mp_trash *t) {
  if (d->cap > MP_DICT_SMALLEST && d->count * 8 < d->cap)
    rebuild(a, d, d->count, t);
}

/* --- removing ------------------------------------------------------------- */

/* A word with 0 behind it ends no probe but its own, so it can be 0 again. */
static int is_last(const uint64_t *words, uint64_t cap, const uint64_t *word) {
  uint64_t next = (uint64_t)(word - words + 1) & (cap - 1);
  return words[next] == 0;
}

int mp_dict_remove(struct mp_arena *a, struct mp_dict *d, uint64_t *word,
                   struct mp_trash *t) {
  struct mp_guard *g = &d->guard;
  int rc = mp_trash_add(a, g, t, mp_entry_block(mp_dict_entry(*word)));
  if (rc < 0)
    return rc;
  if (is_last(mp_dict_words(a, d), d->cap, word)) {
    mp_set64(a, g, word, 0);
    mp_set64(a, g, &d->used, d->used - 1);
  }
  else
    mp_set64(a, g, word, MP_DICT_DELETED);
  mp_set64(a, g, &d->count, d->count - 1);
  return 0;
}

/* --- clear, destroy ------------------------------------------------------- */

int mp_dict_clear(struct mp_arena *a, struct mp_dict *d,
                  struct mp_dict *bag) {
  int rc = mp_change_enter(a, &d->lock, &d->guard);
  if (rc < 0)
    return rc;
  assert(bag->table == 0);
  if (d->table != 0) {
    set_table(a, &d->guard, bag, d->table, d->cap, d->count);
    set_table(a, &d->guard, d, 0, 0, 0);
  }
  mp_guard_leave(a, &d->guard);
  return 0;
}

/* Takes up to STEP entries from *at on into the hand.  How many. */
static int take_some(struct mp_arena *a, struct mp_dict *d, uint64_t *at,
                     mp_off *block) {
  uint64_t *words = mp_dict_words(a, d);
  int n = 0;
  for (; *at < d->cap && n < STEP; (*at)++) {
    uint64_t word = words[*at];
    if (!mp_dict_is_entry(word))
      continue;
    block[n] = mp_entry_block(mp_dict_entry(word));
    if (mp_hand_set(a, &d->guard, block[n]) < 0)
      break;
    mp_set64(a, &d->guard, &words[*at], MP_DICT_DELETED);
    n++;
  }
  return n;
}

static int free_some(struct mp_arena *a, struct mp_dict *d, uint64_t *at) {
  mp_off block[STEP];
  if (mp_guard_enter(a, &d->guard) < 0)
    return 0;
  int n = take_some(a, d, at, block);
  mp_guard_leave(a, &d->guard);
  for (int i = 0; i < n; i++)
    mp_free(a, block[i]);
  return n;
}

static void dict_destroy(struct mp_arena *a, mp_off off) {
  struct mp_dict *d = mp_at(a, off);
  uint64_t at = 0;
  while (d->table != 0 && free_some(a, d, &at) > 0)
    ;
  mp_word_free(a, &d->guard, &d->table);
}

void mp_dict_setup(void) {
  mp_stored_setup();
  mp_object_set_destroy(MP_T_DICT, dict_destroy);
}

/* --- sums ----------------------------------------------------------------- */

/* The key of an entry, to look for it elsewhere. */
static void key_of(const struct mp_entry *e, struct mp_key *k) {
  k->type = (uint8_t)mp_shape_ktype(e->shape);
  k->hash = e->hash;
  k->size = e->klen;
  k->data = e->data;
}

/* The few words of `from` that are entries, one by one, logged: 2 words each
** and 6 at the end.  d has room for all. */
static void merge_few(struct mp_arena *a, struct mp_dict *d,
                      struct mp_dict *from) {
  struct mp_guard *g = &d->guard;
  uint64_t *theirs = mp_dict_words(a, from);
  uint64_t left = 0, added = 0, used = 0, *vacant;
  for (uint64_t i = 0; i < from->cap; i++) {
    struct mp_key k;
    if (!mp_dict_is_entry(theirs[i]))
      continue;
    key_of(mp_dict_at(a, theirs[i]), &k);
    uint64_t *mine = mp_dict_find(a, d, &k, &vacant);
    uint64_t old = mine != NULL ? *mine : MP_DICT_DELETED;
    left += mine != NULL;
    added += mine == NULL;
    used += mine == NULL && *vacant == 0;
    mp_set64(a, g, mine != NULL ? mine : vacant, theirs[i]);
    mp_set64(a, g, &theirs[i], old);
  }
  mp_set64(a, g, &d->count, d->count + added);
  mp_set64(a, g, &d->used, d->used + used);
  mp_set64(a, g, &from->count, left);
}

/* The word of new that has e's key, or NULL: `new` has room and no deleted. */
static uint64_t *look_up(struct mp_arena *a, const struct table *new,
                         const struct mp_entry *e) {
  struct mp_key k;
  struct mp_dict view = {.table = new->off, .cap = new->cap};
  key_of(e, &k);
  return mp_dict_find(a, &view, &k, NULL);
}

/* d's and from's entries in one table; what is replaced goes into another. */
static void sum_up(struct mp_arena *a, const struct mp_dict *d,
                   const struct mp_dict *from, struct table *all,
                   struct table *old) {
  const uint64_t *mine = mp_dict_words(a, d);
  place_all(a, all, from);
  for (uint64_t i = 0; i < d->cap; i++) {
    if (!mp_dict_is_entry(mine[i]))
      continue;
    if (look_up(a, all, mp_dict_at(a, mine[i])) == NULL)
      place(a, all, mine[i]);
    else
      place(a, old, mine[i]);
  }
}

/* Both built tables take the places of the old ones: 12 words. */
static int merge_publish(struct mp_arena *a, struct mp_dict *d,
                         struct mp_dict *from, const struct table *all,
                         const struct table *old, struct mp_trash *t) {
  struct mp_guard *g = &d->guard;
  int rc = mp_trash_add(a, g, t, from->table);
  if (rc < 0)
    return rc;
  rc = publish(a, d, all, t);
  if (rc < 0)
    return rc;
  set_table(a, g, from, old->off, old->cap, old->count);
  mp_hand_clear(a, g, old->off);
  return 0;
}

static int merge_many(struct mp_arena *a, struct mp_dict *d,
                      struct mp_dict *from, struct mp_trash *t) {
  struct table all, old;
  int rc = table_new(a, d->count + from->count, &all);
  if (rc < 0)
    return rc;
  rc = table_new(a, from->count, &old);
  if (rc == 0) {
    sum_up(a, d, from, &all, &old);
    rc = merge_publish(a, d, from, &all, &old, t);
    if (rc < 0) {
      t->n = 0;
      discard(a, d, &old, rc);
    }
  }
  return rc < 0 ? discard(a, d, &all, rc) : 0;
}

int mp_dict_merge(struct mp_arena *a, struct mp_dict *d,
                  struct mp_dict *from) {
  struct mp_trash t = {.n = 0};
  if (from->count == 0)
    return 0;
  int rc = mp_change_enter(a, &d->lock, &d->guard);
  if (rc < 0)
    return rc;
  if (from->count <= STEP && (d->used + from->count) * 4 <= d->cap * 3)
    merge_few(a, d, from);
  else
    rc = merge_many(a, d, from, &t);
  mp_guard_leave(a, &d->guard);
  mp_trash_free(a, &t);
  return rc;
}

/* --- checking ------------------------------------------------------------- */

static int check_word(struct mp_arena *a, const struct mp_dict *d,
                      const uint64_t *word) {
  struct mp_key k;
  const struct mp_entry *e = mp_dict_at(a, *word);
  key_of(e, &k);
  if (mp_key_hash(&k) != e->hash ||
      mp_dict_tag(*word) != (e->hash & MP_DICT_TAG))
    return MP_ECORRUPT;
  return mp_dict_find(a, d, &k, NULL) == word ? 0 : MP_ECORRUPT;
}

int mp_dict_check(struct mp_arena *a, struct mp_dict *d) {
  int rc = mp_guard_enter(a, &d->guard);
  if (rc < 0)
    return rc;
  const uint64_t *words = mp_dict_words(a, d);
  uint64_t count = 0, used = 0;
  for (uint64_t i = 0; rc == 0 && i < d->cap; i++) {
    used += words[i] != 0;
    count += mp_dict_is_entry(words[i]) ? 1 : 0;
    if (mp_dict_is_entry(words[i]))
      rc = check_word(a, d, &words[i]);
  }
  if (count != d->count || used != d->used || used * 4 > d->cap * 3)
    rc = MP_ECORRUPT;
  mp_guard_leave(a, &d->guard);
  return rc;
}
