/*
** ref.c: the types of shared objects that can travel
** MIT licence, see LICENSE
**
** A table of pointers to constants, the same in every state of the process:
** writing an entry again changes nothing.
*/

#include "codec/ref.h"

#include <stdatomic.h>

static const struct mp_ref_type *_Atomic types[256];

void mp_ref_register(const struct mp_ref_type *type) {
  atomic_store(&types[type->id], type);
}

const struct mp_ref_type *mp_ref_type_of(unsigned id) {
  return id < 256 ? atomic_load(&types[id]) : NULL;
}
