/*
** stored_helper.h: values for the tests of dicts and lists
** MIT licence, see LICENSE
**
** A thing is a value that can be made again from its numbers and recognized.
*/

#ifndef MP_SPEC_STORED_HELPER_H
#define MP_SPEC_STORED_HELPER_H

#include <errno.h>
#include <string.h>

#include "os/clock.h"
#include "shm/inner.h"
#include "store/stored.h"

enum { T_NONE, T_INT, T_FLOAT, T_TRUE, T_STRING, T_MESSAGE };

struct thing {
  int kind;
  uint64_t size; /* of a string or message */
  uint64_t id;
  mp_off ref; /* a shared object that travels in a message, or 0 */
};

static void thing_fill(const void *source, void *dst) {
  const struct thing *t = source;
  memset(dst, (int)(t->id & 0xff), t->size);
}

/* t must stay where it is. */
static void thing_value(const struct thing *t, struct mp_value *v) {
  memset(v, 0, sizeof *v);
  switch (t->kind) {
  case T_INT:
    mp_value_int(v, (int64_t)t->id);
    break;
  case T_FLOAT:
    mp_value_float(v, (double)t->id + 0.5);
    break;
  case T_TRUE:
    mp_value_bool(v, 1);
    break;
  default:
    v->type = t->kind == T_STRING ? MP_S_STRING : MP_S_MESSAGE;
    v->p = (struct mp_parcel){.size = t->size, .refs = &t->ref,
                              .nrefs = t->ref != 0, .fill = thing_fill,
                              .source = t};
  }
}

static int is_filled(const struct mp_got *got, const struct thing *t) {
  const unsigned char *p = got->bytes;
  if (got->size != t->size)
    return 0;
  for (uint64_t i = 0; i < t->size; i++)
    if (p[i] != (t->id & 0xff))
      return 0;
  return 1;
}

static int thing_is(const struct mp_got *got, const struct thing *t) {
  int64_t i = (int64_t)t->id;
  double d = (double)t->id + 0.5;
  switch (t->kind) {
  case T_INT:
    return got->type == MP_S_INT && memcmp(got->bytes, &i, sizeof i) == 0;
  case T_FLOAT:
    return got->type == MP_S_FLOAT && memcmp(got->bytes, &d, sizeof d) == 0;
  case T_TRUE:
    return got->type == MP_S_TRUE;
  case T_STRING:
    return got->type == MP_S_STRING && is_filled(got, t);
  case T_MESSAGE:
    return got->type == MP_S_MESSAGE && is_filled(got, t);
  default:
    return 0;
  }
}

/* The lock of one who died in an update. */
static inline int take_lock(struct mp_arena *a, struct mp_lock *l) {
  int rc;
  int64_t deadline = mp_now() + 5000 * MP_MS;
  do
    rc = mp_lock_acquire(a, l, deadline);
  while (rc == -EINTR);
  return rc < 0 ? rc : 0;
}

/* A lock, as an object that others refer to; with one handle. */
static inline int make_shared(struct mp_arena *a, mp_off *off,
                              uint32_t *handle) {
  return mp_object_create(a, MP_T_LOCK, sizeof(struct mp_lock), off, handle);
}

/* Lets the last handle of an object go that nobody else may refer to. */
static inline const char *drop_shared(struct mp_arena *a, mp_off off,
                                      uint32_t handle) {
  const struct mp_object *o = mp_at(a, off);
  if (o->count != 1)
    return "the count of a shared object is wrong";
  mp_object_detach(a, handle);
  return NULL;
}

static inline uint64_t blocks_of(struct mp_arena *a) {
  struct mp_arena_stats s;
  mp_arena_stats(a, &s);
  return s.blocks;
}

#endif
