/*
** dict.c: keys and values in the arena: the operations on one key
** MIT licence, see LICENSE
*/

#include "store/dict.h"

#include <errno.h>

#include "base/code.h"
#include "shm/object.h"
#include "shm/slot.h"
#include "store/dict_table.h"

int mp_dict_init(struct mp_dict *d, uint32_t flags) {
  d->flags = flags;
  return mp_guard_init(&d->guard);
}

int mp_dict_create(struct mp_arena *a, uint32_t flags, mp_off *out,
                   uint32_t *handle) {
  mp_off off;
  mp_dict_setup();
  int rc =
      mp_object_create(a, MP_T_DICT, sizeof(struct mp_dict), &off, handle);
  if (rc < 0)
    return rc;
  rc = mp_dict_init(mp_at(a, off), flags);
  if (rc < 0) {
    mp_object_detach(a, *handle);
    return rc;
  }
  *out = off;
  return 0;
}

/* --- reading -------------------------------------------------------------- */

int mp_dict_get(struct mp_arena *a, struct mp_dict *d, const struct mp_key *k,
                struct mp_got *got) {
  int rc = mp_guard_enter(a, &d->guard);
  if (rc < 0)
    return rc;
  const uint64_t *word = mp_dict_find(a, d, k, NULL);
  if (word != NULL)
    rc = mp_entry_get(a, mp_dict_at(a, *word), got);
  mp_guard_leave(a, &d->guard);
  return rc < 0 ? rc : word != NULL;
}

int mp_dict_has(struct mp_arena *a, struct mp_dict *d,
                const struct mp_key *k) {
  int rc = mp_guard_enter(a, &d->guard);
  if (rc < 0)
    return rc;
  rc = mp_dict_find(a, d, k, NULL) != NULL;
  mp_guard_leave(a, &d->guard);
  return rc;
}

int64_t mp_dict_count(struct mp_arena *a, struct mp_dict *d) {
  int rc = mp_guard_enter(a, &d->guard);
  if (rc < 0)
    return rc;
  int64_t n = (int64_t)d->count;
  mp_guard_leave(a, &d->guard);
  return n;
}

int64_t mp_dict_snapshot(struct mp_arena *a, struct mp_dict *d,
                         struct mp_buf *b) {
  int rc = mp_guard_enter(a, &d->guard);
  if (rc < 0)
    return rc;
  const uint64_t *words = mp_dict_words(a, d);
  for (uint64_t i = 0; rc == 0 && i < d->cap; i++)
    if (mp_dict_is_entry(words[i]))
      rc = mp_snapshot_add(a, b, mp_dict_at(a, words[i]));
  int64_t n = (int64_t)d->count;
  mp_guard_leave(a, &d->guard);
  return rc < 0 ? rc : n;
}

/* --- setting -------------------------------------------------------------- */

/* What an operation brings into the guard and takes out of it.  `ready` is an
** entry in the hand that was made outside, or 0; who uses it sets it to 0. */
struct change {
  const struct mp_key *key;
  const struct mp_value *value;
  uint64_t ready;
  struct mp_trash trash;
};

static int ready_entry(struct mp_arena *a, struct change *c,
                       uint64_t *entry) {
  if (c->ready == 0)
    return mp_entry_new(a, c->key, c->value, entry);
  *entry = c->ready;
  c->ready = 0;
  return 0;
}

/* 4 words, in a transaction of its own */
static int insert(struct mp_arena *a, struct mp_dict *d, struct change *c) {
  uint64_t *vacant, entry;
  struct mp_guard *g = &d->guard;
  int rc = mp_dict_room(a, d, &c->trash);
  if (rc == 0)
    rc = ready_entry(a, c, &entry);
  if (rc < 0)
    return rc;
  mp_dict_find(a, d, c->key, &vacant);
  if (*vacant == 0)
    mp_set64(a, g, &d->used, d->used + 1);
  mp_set64(a, g, vacant, mp_dict_word(c->key->hash, entry));
  mp_set64(a, g, &d->count, d->count + 1);
  mp_hand_clear(a, g, mp_entry_block(entry));
  return 0;
}

/* Another entry takes the place: 3 words. */
static int exchange(struct mp_arena *a, struct mp_dict *d, struct change *c,
                    uint64_t *word) {
  struct mp_guard *g = &d->guard;
  uint64_t entry;
  int rc = ready_entry(a, c, &entry);
  if (rc < 0)
    return rc;
  rc = mp_trash_add(a, g, &c->trash, mp_entry_block(mp_dict_entry(*word)));
  if (rc < 0) {
    c->ready = entry; /* freed like one that was not needed */
    return rc;
  }
  mp_set64(a, g, word, mp_dict_word(c->key->hash, entry));
  mp_hand_clear(a, g, mp_entry_block(entry));
  return 0;
}

static int set(struct mp_arena *a, struct mp_dict *d, struct change *c) {
  uint64_t *word = mp_dict_find(a, d, c->key, NULL);
  if (word == NULL) {
    int rc = insert(a, d, c);
    return rc < 0 ? rc : 1;
  }
  if (mp_entry_overwrite(a, &d->guard, mp_dict_at(a, *word), c->value))
    return 0;
  return exchange(a, d, c, word);
}

/* A long value's entry is made outside the guard. */
static int begin(struct mp_arena *a, struct mp_dict *d, struct change *c) {
  int rc = 0;
  if (mp_value_is_long(c->value))
    rc = mp_entry_new(a, c->key, c->value, &c->ready);
  if (rc < 0)
    return rc;
  rc = mp_change_enter(a, &d->lock, &d->guard);
  if (rc < 0 && c->ready != 0)
    mp_free(a, mp_entry_block(c->ready));
  return rc;
}

static void end(struct mp_arena *a, struct mp_dict *d, struct change *c) {
  mp_guard_leave(a, &d->guard);
  mp_trash_free(a, &c->trash);
  if (c->ready != 0)
    mp_free(a, mp_entry_block(c->ready));
}

int mp_dict_set(struct mp_arena *a, struct mp_dict *d, const struct mp_key *k,
                const struct mp_value *v) {
  struct change c = {.key = k, .value = v};
  int rc = begin(a, d, &c);
  if (rc < 0)
    return rc;
  rc = set(a, d, &c);
  end(a, d, &c);
  return rc;
}

int mp_dict_setdefault(struct mp_arena *a, struct mp_dict *d,
                       const struct mp_key *k, const struct mp_value *v,
                       struct mp_got *got) {
  struct change c = {.key = k, .value = v};
  int rc = begin(a, d, &c);
  if (rc < 0)
    return rc;
  const uint64_t *word = mp_dict_find(a, d, k, NULL);
  rc = word != NULL ? mp_entry_get(a, mp_dict_at(a, *word), got)
                    : insert(a, d, &c);
  end(a, d, &c);
  return rc < 0 ? rc : word != NULL;
}

/* --- removing ------------------------------------------------------------- */

static int take_out(struct mp_arena *a, struct mp_dict *d, uint64_t *word,
                    struct mp_trash *t) {
  int rc = mp_dict_remove(a, d, word, t);
  if (rc < 0)
    return rc;
  mp_guard_commit(&d->guard);
  mp_dict_shrink(a, d, t);
  return 0;
}

int mp_dict_pop(struct mp_arena *a, struct mp_dict *d, const struct mp_key *k,
                struct mp_got *got) {
  struct mp_trash t = {.n = 0};
  int rc = mp_change_enter(a, &d->lock, &d->guard);
  if (rc < 0)
    return rc;
  uint64_t *word = mp_dict_find(a, d, k, NULL);
  if (got != NULL)
    got->attached = 0;
  if (word != NULL && got != NULL)
    rc = mp_entry_get(a, mp_dict_at(a, *word), got);
  if (word != NULL && rc == 0)
    rc = take_out(a, d, word, &t);
  mp_guard_leave(a, &d->guard);
  mp_trash_free(a, &t);
  if (rc < 0 && got != NULL)
    mp_got_done(a, got);
  return rc < 0 ? rc : word != NULL;
}

/* --- adding --------------------------------------------------------------- */

static double as_double(const struct mp_value *v) {
  return v->type == MP_S_INT ? (double)v->number.i : v->number.d;
}

/* The number in an entry.  1, or 0: it is something else. */
static int number_of(struct mp_entry *e, struct mp_value *v) {
  const int64_t *i = mp_entry_value(e);
  const double *d = mp_entry_value(e);
  switch (mp_shape_type(e->shape)) {
  case MP_S_INT:
    mp_value_int(v, *i);
    return 1;
  case MP_S_FLOAT:
    mp_value_float(v, *d);
    return 1;
  default:
    return 0;
  }
}

static void add(struct mp_value *sum, const struct mp_value *x,
                const struct mp_value *y) {
  if (x->type == MP_S_INT && y->type == MP_S_INT)
    mp_value_int(sum, (int64_t)((uint64_t)x->number.i +
                                (uint64_t)y->number.i));
  else
    mp_value_float(sum, as_double(x) + as_double(y));
}

int mp_dict_incr(struct mp_arena *a, struct mp_dict *d,
                 const struct mp_key *k, const struct mp_value *v,
                 struct mp_value *sum) {
  struct change c = {.key = k, .value = sum};
  struct mp_value old;
  int rc = mp_change_enter(a, &d->lock, &d->guard);
  if (rc < 0)
    return rc;
  uint64_t *word = mp_dict_find(a, d, k, NULL);
  mp_value_int(&old, 0);
  if (word != NULL && !number_of(mp_dict_at(a, *word), &old))
    rc = -EINVAL;
  if (rc == 0) {
    add(sum, &old, v);
    rc = word == NULL ? insert(a, d, &c) : 0;
  }
  if (rc == 0 && word != NULL &&
      !mp_entry_overwrite(a, &d->guard, mp_dict_at(a, *word), sum))
    rc = exchange(a, d, &c, word);
  end(a, d, &c);
  return rc;
}
