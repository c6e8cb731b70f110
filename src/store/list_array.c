/*
** list_array.c: the array of a list: places, growth, the end
** MIT licence, see LICENSE
*/

#include "store/list_array.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/code.h"
#include "shm/object.h"
#include "shm/slot.h"

enum {
  SMALLEST = 8,
  NEAR = 8, /* elements from an end that move word by word */
  STEP = 8  /* entries that are freed in one transaction */
};

/* --- elements ------------------------------------------------------------- */

static int fits_in_word(const struct mp_value *v) {
  return v->type != MP_S_MESSAGE && v->p.size <= sizeof(uint64_t);
}

int mp_element_ready(struct mp_arena *a, struct mp_incoming *in) {
  const struct mp_value *v = in->value;
  struct mp_element *e = &in->element;
  if (fits_in_word(v)) {
    e->shape = mp_shape(v->type, 0, 0, v->p.size);
    e->word = 0;
    v->p.fill(v->p.source, &e->word);
    return 0;
  }
  int rc = in->ready != 0 ? 0 : mp_entry_new(a, NULL, v, &in->ready);
  e->shape = MP_S_ENTRY;
  e->word = in->ready;
  return rc;
}

void mp_element_given(struct mp_arena *a, struct mp_guard *g,
                      struct mp_incoming *in) {
  if (in->element.shape != MP_S_ENTRY)
    return;
  mp_hand_clear(a, g, mp_entry_block(in->ready));
  in->ready = 0;
}

int mp_element_drop(struct mp_arena *a, struct mp_guard *g,
                    const struct mp_element *e, struct mp_trash *t) {
  if (e->shape != MP_S_ENTRY)
    return 0;
  return mp_trash_add(a, g, t, mp_entry_block(e->word));
}

/* --- the array ------------------------------------------------------------ */

struct array {
  mp_off off;
  uint64_t cap;
  uint64_t start;
  struct mp_element *elements; /* from start on */
};

static int array_new(struct mp_arena *a, uint64_t cap, struct array *new) {
  new->cap = cap < SMALLEST ? SMALLEST : cap;
  if (new->cap > a->size / sizeof(struct mp_element))
    return MP_ENOARENA;
  int rc = mp_alloc(a, new->cap * sizeof(struct mp_element), &new->off);
  new->start = 0;
  if (rc == 0)
    new->elements = mp_at(a, new->off);
  return rc;
}

/* 4 words */
static void set_array(struct mp_arena *a, struct mp_guard *g,
                      struct mp_list *l, mp_off array, uint64_t cap,
                      uint64_t start, uint64_t count) {
  mp_set64(a, g, &l->array, array);
  mp_set64(a, g, &l->cap, cap);
  mp_set64(a, g, &l->start, start);
  mp_set64(a, g, &l->count, count);
}

/* 6 words; on failure nothing is changed and the array is freed */
static int publish(struct mp_arena *a, struct mp_list *l,
                   const struct array *new, uint64_t count,
                   struct mp_trash *t) {
  struct mp_guard *g = &l->guard;
  int rc = l->array != 0 ? mp_trash_add(a, g, t, l->array) : 0;
  if (rc < 0) {
    mp_free(a, new->off);
    return rc;
  }
  set_array(a, g, l, new->off, new->cap, new->start, count);
  mp_hand_clear(a, g, new->off);
  return 0;
}

/* Copies n elements, n may be 0 and the list empty. */
static struct mp_element *copy(struct mp_element *to,
                               const struct mp_element *from, uint64_t n) {
  if (n > 0)
    memcpy(to, from, n * sizeof *to);
  return to + n;
}

/* Who puts one at the beginning will put more there. */
static void leave_room(struct array *new, uint64_t count) {
  new->start = (new->cap - count) / 2;
  new->elements += new->start;
}

static int splice_aside(struct mp_arena *a, struct mp_list *l, uint64_t i,
                        uint64_t remove, const struct mp_element *with,
                        uint64_t insert, struct mp_trash *t) {
  struct array new;
  uint64_t count = l->count - remove + insert;
  uint64_t cap = insert > remove ? count + count / 2 : l->cap;
  int rc = array_new(a, cap, &new);
  if (rc < 0)
    return rc;
  if (i == 0 && insert > 0 && l->count > 0)
    leave_room(&new, count);
  struct mp_element *to = copy(new.elements, mp_list_at(a, l, 0), i);
  to = copy(to, with, insert);
  copy(to, mp_list_at(a, l, i + remove), l->count - i - remove);
  return publish(a, l, &new, count, t);
}

static void set_element(struct mp_arena *a, struct mp_guard *g,
                        struct mp_element *e, const struct mp_element *to) {
  if (e->shape != to->shape)
    mp_set64(a, g, &e->shape, to->shape);
  if (e->word != to->word)
    mp_set64(a, g, &e->word, to->word);
}

/* What follows moves by one: up to NEAR elements, 17 words. */
static void splice_tail(struct mp_arena *a, struct mp_list *l, uint64_t i,
                        const struct mp_element *with, uint64_t insert) {
  struct mp_guard *g = &l->guard;
  struct mp_element *e = mp_list_at(a, l, 0);
  uint64_t n = l->count;
  if (insert > 0) {
    if (n > i)
      e[n] = e[n - 1]; /* beyond the row */
    else
      e[n] = *with;
    for (uint64_t j = n; j > i + 1; j--)
      set_element(a, g, &e[j - 1], &e[j - 2]);
    if (n > i)
      set_element(a, g, &e[i], with);
  }
  else
    for (uint64_t j = i; j + 1 < n; j++)
      set_element(a, g, &e[j], &e[j + 1]);
  mp_set64(a, g, &l->count, insert > 0 ? n + 1 : n - 1);
}

/* At the beginning, where the start can move (an empty row starts at 0):
** 2 words. */
static void splice_head(struct mp_arena *a, struct mp_list *l,
                        const struct mp_element *with, uint64_t insert) {
  struct mp_guard *g = &l->guard;
  if (insert > 0)
    *(mp_list_at(a, l, 0) - 1) = *with; /* before the row */
  uint64_t start = insert > 0 ? l->start - 1 : l->start + 1;
  mp_set64(a, g, &l->start, l->count + insert == 1 ? 0 : start);
  mp_set64(a, g, &l->count, insert > 0 ? l->count + 1 : l->count - 1);
}

/* Several at the end, where there is room: 1 word. */
static void splice_end(struct mp_arena *a, struct mp_list *l,
                       const struct mp_element *with, uint64_t insert) {
  copy(mp_list_at(a, l, l->count), with, insert);
  mp_set64(a, &l->guard, &l->count, l->count + insert);
}

int mp_list_splice(struct mp_arena *a, struct mp_list *l, uint64_t i,
                   uint64_t remove, const struct mp_element *with,
                   uint64_t insert, struct mp_trash *t) {
  int fits = l->start + l->count + insert <= l->cap;
  if (remove == 0 && i == l->count && fits)
    splice_end(a, l, with, insert);
  else if (remove + insert != 1)
    return splice_aside(a, l, i, remove, with, insert, t);
  else if (i == 0 && (remove > 0 || l->start > 0))
    splice_head(a, l, with, insert);
  else if (l->count - i <= NEAR && (remove > 0 || fits))
    splice_tail(a, l, i, with, insert);
  else
    return splice_aside(a, l, i, remove, with, insert, t);
  return 0;
}

void mp_list_shrink(struct mp_arena *a, struct mp_list *l,
                    struct mp_trash *t) {
  struct array new;
  if (l->cap <= 2 * SMALLEST || l->count * 4 > l->cap ||
      array_new(a, l->count * 2, &new) < 0)
    return;
  copy(new.elements, mp_list_at(a, l, 0), l->count);
  if (publish(a, l, &new, l->count, t) == 0)
    mp_guard_commit(&l->guard);
}

/* --- order ---------------------------------------------------------------- */

static int permute(struct mp_arena *a, struct mp_list *l,
                   const uint64_t *order, uint64_t n, struct mp_trash *t) {
  struct array new;
  const struct mp_element *old = mp_list_at(a, l, 0);
  if (order != NULL && l->count != n)
    return -ESTALE;
  n = l->count;
  int rc = n > 0 ? array_new(a, l->cap, &new) : 0;
  if (rc < 0 || n == 0)
    return rc;
  for (uint64_t i = 0; i < n; i++)
    new.elements[i] = old[order != NULL ? order[i] : n - 1 - i];
  return publish(a, l, &new, n, t);
}

int mp_list_permute(struct mp_arena *a, struct mp_list *l,
                    const uint64_t *order, uint64_t n) {
  struct mp_trash t = {.n = 0};
  int rc = mp_change_enter(a, &l->lock, &l->guard);
  if (rc < 0)
    return rc;
  rc = permute(a, l, order, n, &t);
  mp_guard_leave(a, &l->guard);
  mp_trash_free(a, &t);
  return rc;
}

/* --- sums ----------------------------------------------------------------- */

int mp_list_extend(struct mp_arena *a, struct mp_list *l,
                   struct mp_list *from) {
  struct mp_trash t = {.n = 0};
  int rc = mp_change_enter(a, &l->lock, &l->guard);
  if (rc < 0)
    return rc;
  if (from->count > 0)
    rc = mp_list_splice(a, l, l->count, 0, mp_list_at(a, from, 0),
                        from->count, &t);
  if (rc == 0)
    mp_set64(a, &l->guard, &from->count, 0);
  mp_guard_leave(a, &l->guard);
  mp_trash_free(a, &t);
  return rc;
}

/* --- clear, destroy ------------------------------------------------------- */

int mp_list_clear(struct mp_arena *a, struct mp_list *l,
                  struct mp_list *bag) {
  int rc = mp_change_enter(a, &l->lock, &l->guard);
  if (rc < 0)
    return rc;
  assert(bag->array == 0);
  if (l->array != 0) {
    set_array(a, &l->guard, bag, l->array, l->cap, l->start, l->count);
    set_array(a, &l->guard, l, 0, 0, 0, 0);
  }
  mp_guard_leave(a, &l->guard);
  return 0;
}

/* Takes up to STEP entries from *at on into the hand.  How many. */
static int take_some(struct mp_arena *a, struct mp_list *l, uint64_t *at,
                     mp_off *block) {
  int n = 0;
  for (; *at < l->count && n < STEP; (*at)++) {
    struct mp_element *e = mp_list_at(a, l, *at);
    if (e->shape != MP_S_ENTRY)
      continue;
    block[n] = mp_entry_block(e->word);
    if (mp_hand_set(a, &l->guard, block[n]) < 0)
      break;
    mp_set64(a, &l->guard, &e->shape, MP_S_FALSE);
    n++;
  }
  return n;
}

static int free_some(struct mp_arena *a, struct mp_list *l, uint64_t *at) {
  mp_off block[STEP];
  if (mp_guard_enter(a, &l->guard) < 0)
    return 0;
  int n = take_some(a, l, at, block);
  mp_guard_leave(a, &l->guard);
  for (int i = 0; i < n; i++)
    mp_free(a, block[i]);
  return n;
}

static void list_destroy(struct mp_arena *a, mp_off off) {
  struct mp_list *l = mp_at(a, off);
  uint64_t at = 0;
  while (free_some(a, l, &at) > 0)
    ;
  mp_word_free(a, &l->guard, &l->array);
}

void mp_list_setup(void) {
  mp_stored_setup();
  mp_object_set_destroy(MP_T_LIST, list_destroy);
}
