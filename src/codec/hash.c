/*
** hash.c: bytes -> 128 bits
** MIT licence, see LICENSE
*/

#include "codec/hash.h"

#include <sodium.h>

void mp_hash(unsigned char out[MP_HASH_SIZE], const void *p, size_t n) {
  static const unsigned char key[crypto_shorthash_siphashx24_KEYBYTES] = {0};
  crypto_shorthash_siphashx24(out, p, n, key);
}
