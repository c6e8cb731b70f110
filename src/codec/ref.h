/*
** ref.h: the types of shared objects that can travel
** MIT licence, see LICENSE
*/

#ifndef MP_CODEC_REF_H
#define MP_CODEC_REF_H

#include "codec/codec.h"

/* The type that was registered as `id`, or NULL. */
const struct mp_ref_type *mp_ref_type_of(unsigned id);

#endif
