/*
** object.c: shared objects that are counted by their handles
** MIT licence, see LICENSE
**
** An object whose count falls to 0 goes, in the same transaction, on the list
** of dying objects of the process that let go.  It stays there while its
** destroy function runs, and leaves it in the transaction that frees it.
*/

#include "shm/object.h"

#include <stdatomic.h>
#include <string.h>

#include "base/code.h"
#include "shm/inner.h"

/* Each state that opens the library writes the same again. */
static _Atomic(mp_destroy) destroys[MP_T_COUNT];

void mp_object_set_destroy(enum mp_object_type type, mp_destroy destroy) {
  assert((int)type >= 0 && type < MP_T_COUNT);
  atomic_store_explicit(&destroys[type], destroy, memory_order_relaxed);
}

static struct mp_object *object_at(struct mp_arena *a, mp_off off) {
  return mp_at(a, off);
}

/* --- counts; inside the guard --- */

static void more(struct mp_arena *a, mp_off off) {
  struct mp_object *o = object_at(a, off);
  mp_set64(a, mp_log(a), &o->count, o->count + 1);
}

void mp_object_less(struct mp_arena *a, mp_off off) {
  struct mp_object *o = object_at(a, off);
  struct mp_guard *g = mp_log(a);
  assert(o->magic == MP_OBJECT_MAGIC && o->count > 0);
  mp_set64(a, g, &o->count, o->count - 1);
  if (o->count != 0)
    return;
  mp_set64(a, g, &o->next, a->self_slot->dying);
  mp_set64(a, g, &a->self_slot->dying, off);
}

static int is_live(const struct mp_arena *a, mp_off off) {
  uint32_t c = mp_block_chunk(a, off);
  if (c == 0 || mp_tag_kind(mp_chunk(a, c)->tag) != MP_OBJECT)
    return 0;
  const struct mp_object *o = mp_at(a, off);
  return o->magic == MP_OBJECT_MAGIC && o->count > 0;
}

int mp_object_is(struct mp_arena *a, mp_off off, enum mp_object_type type) {
  if (mp_enter(a) < 0)
    return 0;
  int yes = is_live(a, off) && object_at(a, off)->type == (uint32_t)type;
  mp_leave(a);
  return yes;
}

/* --- birth --- */

static void fill(struct mp_arena *a, mp_off off, enum mp_object_type type,
                 size_t size, int zero) {
  struct mp_object *o = object_at(a, off);
  memset(o, 0, zero ? sizeof *o : size);
  o->type = (uint32_t)type;
  o->magic = MP_OBJECT_MAGIC;
}

int mp_object_create(struct mp_arena *a, enum mp_object_type type, size_t size,
                     mp_off *out, uint32_t *handle) {
  mp_off off;
  int zero;
  if (size < sizeof(struct mp_object))
    size = sizeof(struct mp_object);
  int rc = mp_block_alloc(a, MP_OBJECT, size, &off, &zero);
  if (rc < 0)
    return rc;
  fill(a, off, type, size, zero);
  rc = mp_handle_enter(a);
  if (rc < 0) {
    mp_free(a, off);
    return rc;
  }
  more(a, off);
  mp_hand_clear(a, mp_log(a), off);
  uint32_t n = mp_handle_add(a, off);
  mp_leave(a);
  *out = off;
  *handle = n;
  return 0;
}

int mp_object_attach(struct mp_arena *a, mp_off off, uint32_t *handle) {
  int rc = mp_handle_enter(a);
  if (rc < 0)
    return rc;
  if (!is_live(a, off)) {
    mp_leave(a);
    return MP_ECORRUPT;
  }
  more(a, off);
  *handle = mp_handle_add(a, off);
  mp_leave(a);
  return 0;
}

void mp_object_take(struct mp_arena *a, mp_off off) {
  if (mp_enter(a) < 0)
    return;
  assert(is_live(a, off));
  more(a, off);
  mp_leave(a);
}

void mp_object_drop(struct mp_arena *a, mp_off off) {
  if (mp_self_need(a) < 0 || mp_enter(a) < 0)
    return;
  mp_object_less(a, off);
  mp_leave(a);
  mp_object_bury(a);
}

void mp_object_take_at(struct mp_arena *a, mp_off *word, mp_off off) {
  if (mp_enter(a) < 0)
    return;
  assert(is_live(a, off));
  more(a, off);
  mp_set64(a, mp_log(a), word, off);
  mp_leave(a);
}

void mp_object_drop_at(struct mp_arena *a, mp_off *word) {
  if (*word == 0 || mp_self_need(a) < 0 || mp_enter(a) < 0)
    return;
  mp_off off = *word;
  if (off != 0) {
    mp_set64(a, mp_log(a), word, 0);
    mp_object_less(a, off);
  }
  mp_leave(a);
  mp_object_bury(a);
}

/* --- death --- */

/* The word that names `off` in the list; others may stand before it now. */
static uint64_t *named_by(struct mp_arena *a, mp_off off) {
  uint64_t *word = &a->self_slot->dying;
  while (*word != 0 && *word != off)
    word = &object_at(a, *word)->next;
  return *word == off ? word : NULL;
}

static int bury_one(struct mp_arena *a) {
  mp_off off = *(volatile uint64_t *)&a->self_slot->dying;
  if (off == 0)
    return 0;
  uint32_t type = object_at(a, off)->type;
  mp_destroy destroy = NULL;
  if (type < MP_T_COUNT)
    destroy = atomic_load_explicit(&destroys[type], memory_order_relaxed);
  if (destroy != NULL)
    destroy(a, off);
  if (mp_enter(a) < 0)
    return 0;
  uint64_t *word = named_by(a, off);
  if (word != NULL) {
    mp_set64(a, mp_log(a), word, object_at(a, off)->next);
    mp_block_free(a, off);
  }
  mp_leave(a);
  return 1;
}

/* One thread buries, in a loop: what destroy functions drop is buried after
** them, and what other threads let go meanwhile as well. */
void mp_object_bury(struct mp_arena *a) {
  if (atomic_load(&a->self_pid) != (int32_t)mp_self_pid())
    return;
  while (*(volatile uint64_t *)&a->self_slot->dying != 0) {
    if (atomic_exchange(&a->burying, 1))
      return;
    while (bury_one(a))
      ;
    atomic_store(&a->burying, 0);
    if (mp_trim_wanted(a))
      mp_trim(a, 0);
    if (atomic_load(&mp_head(a)->poisoned))
      return;
  }
}
