/*
** message.c: bytes with the references that travel in them
** MIT licence, see LICENSE
**
**   [ size | nrefs, room | place, place ... | data ]
**
** nrefs counts the references that count: it grows and shrinks in the same
** transaction as the object's count.  The block's kind (inner.h) tells a sweep
** that it is a message, and it is 0 before the block is anybody's.
*/

#include <errno.h>

#include "base/code.h"
#include "shm/inner.h"

struct message {
  uint64_t size;
  uint32_t nrefs; /* word 1: alloc.c sets it to 0 */
  uint32_t room;
  mp_off refs[];
};

static uint64_t head_size(uint32_t room) {
  return (sizeof(struct message) + (uint64_t)room * 8 + 15) / 16 * 16;
}

static void add_ref(struct mp_arena *a, struct message *m, mp_off ref) {
  struct mp_object *o = mp_at(a, ref);
  m->refs[m->nrefs] = ref; /* beyond nrefs: nobody looks yet */
  mp_set64(a, mp_log(a), &o->count, o->count + 1);
  mp_set32(a, mp_log(a), &m->nrefs, m->nrefs + 1);
  mp_guard_commit(mp_log(a));
}

static int add_refs(struct mp_arena *a, struct message *m, const mp_off *refs,
                    uint32_t nrefs) {
  int rc = mp_enter(a);
  if (rc < 0)
    return rc;
  for (uint32_t i = 0; i < nrefs; i++)
    add_ref(a, m, refs[i]);
  mp_leave(a);
  return 0;
}

int mp_message_alloc(struct mp_arena *a, size_t size, const mp_off *refs,
                     uint32_t nrefs, mp_off *out) {
  mp_off off;
  int zero;
  if (size > a->size)
    return MP_ENOARENA;
  int rc = mp_block_alloc(a, MP_MESSAGE, head_size(nrefs) + size, &off, &zero);
  if (rc < 0)
    return rc;
  struct message *m = mp_at(a, off);
  m->size = size;
  m->room = nrefs;
  if (nrefs > 0)
    rc = add_refs(a, m, refs, nrefs);
  if (rc < 0)
    return rc;
  *out = off;
  return 0;
}

void *mp_message_data(const struct mp_arena *a, mp_off message) {
  const struct message *m = mp_at(a, message);
  return (unsigned char *)mp_at(a, message) + head_size(m->room);
}

uint64_t mp_message_size(const struct mp_arena *a, mp_off message) {
  return ((const struct message *)mp_at(a, message))->size;
}

void mp_message_unref(struct mp_arena *a, mp_off message) {
  struct message *m = mp_at(a, message);
  if (m->nrefs == 0 || mp_enter(a) < 0)
    return;
  while (m->nrefs > 0) {
    mp_off ref = m->refs[m->nrefs - 1];
    mp_set32(a, mp_log(a), &m->nrefs, m->nrefs - 1);
    mp_object_less(a, ref);
    mp_guard_commit(mp_log(a));
  }
  mp_leave(a);
}

int mp_message_refs(const struct mp_arena *a, mp_off message,
                    int (*each)(void *ctx, mp_off ref), void *ctx) {
  const struct message *m = mp_at(a, message);
  int rc = 0;
  for (uint32_t i = 0; rc >= 0 && i < m->nrefs; i++)
    rc = each(ctx, m->refs[i]);
  return rc;
}

void mp_message_free(struct mp_arena *a, mp_off message) {
  mp_free(a, message);
}
