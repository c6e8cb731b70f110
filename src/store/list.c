/*
** list.c: a row of values in the arena: the operations on one element
** MIT licence, see LICENSE
*/

#include "store/list.h"

#include <errno.h>
#include <string.h>

#include "base/code.h"
#include "shm/object.h"
#include "shm/slot.h"
#include "store/list_array.h"

int mp_list_init(struct mp_list *l) {
  return mp_guard_init(&l->guard);
}

int mp_list_create(struct mp_arena *a, mp_off *out, uint32_t *handle) {
  mp_off off;
  mp_list_setup();
  int rc =
      mp_object_create(a, MP_T_LIST, sizeof(struct mp_list), &off, handle);
  if (rc < 0)
    return rc;
  rc = mp_list_init(mp_at(a, off));
  if (rc < 0) {
    mp_object_detach(a, *handle);
    return rc;
  }
  *out = off;
  return 0;
}

/* --- reading -------------------------------------------------------------- */

int64_t mp_list_count(struct mp_arena *a, struct mp_list *l) {
  int rc = mp_guard_enter(a, &l->guard);
  if (rc < 0)
    return rc;
  int64_t n = (int64_t)l->count;
  mp_guard_leave(a, &l->guard);
  return n;
}

static int get(struct mp_arena *a, const struct mp_element *e,
               struct mp_got *got) {
  if (e->shape == MP_S_ENTRY)
    return mp_entry_get(a, mp_entry_at(a, e->word), got);
  got->attached = 0;
  got->type = (uint8_t)mp_shape_type(e->shape);
  got->size = mp_shape_size(e->shape);
  got->bytes = got->small;
  memcpy(got->small, &e->word, sizeof e->word);
  return 0;
}

int mp_list_get(struct mp_arena *a, struct mp_list *l, uint64_t i,
                struct mp_got *got) {
  int rc = mp_guard_enter(a, &l->guard);
  if (rc < 0)
    return rc;
  int there = i < l->count;
  if (there)
    rc = get(a, mp_list_at(a, l, i), got);
  mp_guard_leave(a, &l->guard);
  return rc < 0 ? rc : there;
}

static int keep(struct mp_arena *a, const struct mp_element *e,
                struct mp_buf *b) {
  if (e->shape == MP_S_ENTRY)
    return mp_snapshot_add(a, b, mp_entry_at(a, e->word));
  return mp_snapshot_plain(b, mp_shape_type(e->shape), &e->word,
                           mp_shape_size(e->shape));
}

static int64_t from_end(int64_t i, int64_t n) {
  if (i >= 0)
    return i;
  return i < -n ? 0 : n + i + 1;
}

int64_t mp_list_snapshot(struct mp_arena *a, struct mp_list *l, int64_t i,
                         int64_t j, struct mp_buf *b) {
  int rc = mp_guard_enter(a, &l->guard);
  if (rc < 0)
    return rc;
  int64_t count = (int64_t)l->count, n = 0;
  i = from_end(i, count);
  j = from_end(j, count);
  if (j > count)
    j = count;
  for (i = i < 1 ? 1 : i; rc == 0 && i <= j; i++, n++)
    rc = keep(a, mp_list_at(a, l, (uint64_t)i - 1), b);
  mp_guard_leave(a, &l->guard);
  return rc < 0 ? rc : n;
}

/* --- changing ------------------------------------------------------------- */

/* A long value's entry is made outside the guard. */
static int begin(struct mp_arena *a, struct mp_list *l,
                 struct mp_incoming *in) {
  int rc = 0;
  if (mp_value_is_long(in->value))
    rc = mp_entry_new(a, NULL, in->value, &in->ready);
  if (rc < 0)
    return rc;
  rc = mp_change_enter(a, &l->lock, &l->guard);
  if (rc < 0 && in->ready != 0)
    mp_free(a, mp_entry_block(in->ready));
  return rc;
}

static void end(struct mp_arena *a, struct mp_list *l,
                struct mp_incoming *in, struct mp_trash *t) {
  mp_guard_leave(a, &l->guard);
  mp_trash_free(a, t);
  if (in->ready != 0)
    mp_free(a, mp_entry_block(in->ready));
}

static int add(struct mp_arena *a, struct mp_list *l, uint64_t i,
               struct mp_incoming *in, struct mp_trash *t) {
  if (i > l->count)
    return -ERANGE;
  int rc = mp_element_ready(a, in);
  if (rc == 0)
    rc = mp_list_splice(a, l, i, 0, &in->element, 1, t);
  if (rc < 0)
    return rc;
  mp_element_given(a, &l->guard, in);
  return 1;
}

/* Inside an element's entry where that can be, else the element: 4 words. */
static int replace(struct mp_arena *a, struct mp_list *l,
                   struct mp_element *e, struct mp_incoming *in,
                   struct mp_trash *t) {
  struct mp_guard *g = &l->guard;
  if (e->shape == MP_S_ENTRY &&
      mp_entry_overwrite(a, g, mp_entry_at(a, e->word), in->value))
    return 0;
  int rc = mp_element_ready(a, in);
  if (rc == 0)
    rc = mp_element_drop(a, g, e, t);
  if (rc < 0)
    return rc;
  mp_set64(a, g, &e->shape, in->element.shape);
  mp_set64(a, g, &e->word, in->element.word);
  mp_element_given(a, g, in);
  return 0;
}

/* One element more before i, or (if `over`) in place of i. */
static int put(struct mp_arena *a, struct mp_list *l, uint64_t i,
               const struct mp_value *v, int over) {
  struct mp_incoming in = {.value = v};
  struct mp_trash t = {.n = 0};
  int rc = begin(a, l, &in);
  if (rc < 0)
    return rc;
  if (i == MP_LAST)
    i = l->count;
  rc = over && i < l->count ? replace(a, l, mp_list_at(a, l, i), &in, &t)
                            : add(a, l, i, &in, &t);
  end(a, l, &in, &t);
  return rc;
}

int mp_list_set(struct mp_arena *a, struct mp_list *l, uint64_t i,
                const struct mp_value *v) {
  return put(a, l, i, v, 1);
}

int mp_list_insert(struct mp_arena *a, struct mp_list *l, uint64_t i,
                   const struct mp_value *v) {
  return put(a, l, i, v, 0);
}

int mp_list_append(struct mp_arena *a, struct mp_list *l,
                   const struct mp_value *v) {
  return mp_list_insert(a, l, MP_LAST, v);
}

/* --- removing ------------------------------------------------------------- */

static int take_out(struct mp_arena *a, struct mp_list *l, uint64_t i,
                    struct mp_trash *t) {
  struct mp_guard *g = &l->guard;
  int rc = mp_element_drop(a, g, mp_list_at(a, l, i), t);
  if (rc == 0)
    rc = mp_list_splice(a, l, i, 1, NULL, 0, t);
  if (rc < 0) {
    mp_guard_undo(a, g);
    t->n = 0;
    return rc;
  }
  mp_guard_commit(g);
  mp_list_shrink(a, l, t);
  return 0;
}

int mp_list_pop(struct mp_arena *a, struct mp_list *l, uint64_t i,
                struct mp_got *got) {
  struct mp_trash t = {.n = 0};
  int rc = mp_change_enter(a, &l->lock, &l->guard);
  if (rc < 0)
    return rc;
  if (i == MP_LAST && l->count > 0)
    i = l->count - 1;
  int there = i < l->count;
  if (got != NULL)
    got->attached = 0;
  if (there && got != NULL)
    rc = get(a, mp_list_at(a, l, i), got);
  if (there && rc == 0)
    rc = take_out(a, l, i, &t);
  mp_guard_leave(a, &l->guard);
  mp_trash_free(a, &t);
  if (rc < 0 && got != NULL)
    mp_got_done(a, got);
  return rc < 0 ? rc : there;
}

int mp_list_cut(struct mp_arena *a, struct mp_list *l, uint64_t i) {
  struct mp_trash t = {.n = 0};
  int rc = mp_change_enter(a, &l->lock, &l->guard);
  if (rc < 0)
    return rc;
  int last = i + 1 == l->count;
  if (last)
    rc = take_out(a, l, i, &t);
  mp_guard_leave(a, &l->guard);
  mp_trash_free(a, &t);
  return rc < 0 ? rc : last;
}

/* --- comparing ------------------------------------------------------------ */

/* What an element holds, where it lies. */
struct seen {
  unsigned type;
  uint64_t size;
  const void *bytes;
};

static void see(struct mp_arena *a, const struct mp_element *e,
                struct seen *s) {
  s->type = mp_shape_type(e->shape);
  s->size = mp_shape_size(e->shape);
  s->bytes = &e->word;
  if (s->type != MP_S_ENTRY)
    return;
  struct mp_got got;
  mp_entry_peek(a, mp_entry_at(a, e->word), &got);
  s->type = got.type;
  s->size = got.size;
  s->bytes = got.bytes;
}

static int is_number(unsigned type) {
  return type == MP_S_INT || type == MP_S_FLOAT;
}

/* As Lua compares an integer with a float: by value, nothing is rounded. */
static int same_mixed(int64_t i, double d) {
  return d >= -9223372036854775808.0 && d < 9223372036854775808.0 &&
         (double)(int64_t)d == d && (int64_t)d == i;
}

static int same_number(const struct seen *s, const struct mp_value *v) {
  int64_t i;
  double d;
  memcpy(&i, s->bytes, sizeof i);
  memcpy(&d, s->bytes, sizeof d);
  if (s->type == MP_S_INT)
    return v->type == MP_S_INT ? i == v->number.i
                               : same_mixed(i, v->number.d);
  return v->type == MP_S_INT ? same_mixed(v->number.i, d) : d == v->number.d;
}

static int equals(struct mp_arena *a, const struct mp_element *e,
                  const struct mp_value *v) {
  struct seen s;
  see(a, e, &s);
  if (is_number(s.type) && is_number(v->type))
    return same_number(&s, v);
  return s.type == v->type && s.size == v->p.size &&
         (s.size == 0 || memcmp(s.bytes, v->data, s.size) == 0);
}

/* inside the guard; the row's count where there is none */
static uint64_t find(struct mp_arena *a, const struct mp_list *l, uint64_t i,
                     const struct mp_value *v) {
  while (i < l->count && !equals(a, mp_list_at(a, l, i), v))
    i++;
  return i;
}

int mp_list_find(struct mp_arena *a, struct mp_list *l, uint64_t i,
                 const struct mp_value *v, uint64_t *at) {
  int rc = mp_guard_enter(a, &l->guard);
  if (rc < 0)
    return rc;
  i = find(a, l, i, v);
  int there = i < l->count;
  mp_guard_leave(a, &l->guard);
  if (there)
    *at = i;
  return there;
}

int64_t mp_list_tally(struct mp_arena *a, struct mp_list *l,
                      const struct mp_value *v) {
  int rc = mp_guard_enter(a, &l->guard);
  if (rc < 0)
    return rc;
  int64_t n = 0;
  for (uint64_t i = find(a, l, 0, v); i < l->count; i = find(a, l, i + 1, v))
    n++;
  mp_guard_leave(a, &l->guard);
  return n;
}

int mp_list_remove(struct mp_arena *a, struct mp_list *l,
                   const struct mp_value *v) {
  struct mp_trash t = {.n = 0};
  int rc = mp_change_enter(a, &l->lock, &l->guard);
  if (rc < 0)
    return rc;
  uint64_t i = find(a, l, 0, v);
  int there = i < l->count;
  if (there)
    rc = take_out(a, l, i, &t);
  mp_guard_leave(a, &l->guard);
  mp_trash_free(a, &t);
  return rc < 0 ? rc : there;
}

/* --- checking ------------------------------------------------------------- */

int mp_list_check(struct mp_arena *a, struct mp_list *l) {
  int rc = mp_guard_enter(a, &l->guard);
  if (rc < 0)
    return rc;
  if (l->start > l->cap || l->count > l->cap - l->start)
    rc = MP_ECORRUPT;
  for (uint64_t i = 0; rc == 0 && i < l->count; i++) {
    unsigned type = mp_shape_type(mp_list_at(a, l, i)->shape);
    if (type == MP_S_MESSAGE || type == MP_S_BLOB || type > MP_S_ENTRY)
      rc = MP_ECORRUPT;
  }
  mp_guard_leave(a, &l->guard);
  return rc;
}
