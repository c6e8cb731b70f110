/*
** hash.h: bytes -> 128 bits
** MIT licence, see LICENSE
**
** Against accidents and for recognizing, not against forgers: the key is
** known.
*/

#ifndef MP_CODEC_HASH_H
#define MP_CODEC_HASH_H

#include <stddef.h>

enum { MP_HASH_SIZE = 16 };

void mp_hash(unsigned char out[MP_HASH_SIZE], const void *p, size_t n);

#endif
