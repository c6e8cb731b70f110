/*
** pending.c: what the codec will bring
** MIT licence, see LICENSE
*/

#include "codec/codec.h"

#define PENDING __attribute__((weak))

PENDING void mp_ref_register(const struct mp_ref_type *type) {
  (void)type;
}
PENDING struct mp_encoded *mp_encode(lua_State *L, int first, int n,
                                     const struct mp_codec_opts *opts) {
  (void)L, (void)first, (void)n, (void)opts;
  return NULL;
}
PENDING uint64_t mp_encoded_size(const struct mp_encoded *e) {
  (void)e;
  return 0;
}
PENDING void mp_encoded_copy(const struct mp_encoded *e, void *dst) {
  (void)e, (void)dst;
}
PENDING uint32_t mp_encoded_refs(const struct mp_encoded *e,
                                 const mp_off **refs) {
  (void)e, (void)refs;
  return 0;
}
PENDING void mp_encoded_done(lua_State *L, struct mp_encoded *e) {
  (void)L, (void)e;
}
PENDING int mp_decode(lua_State *L, const void *data, size_t size,
                      const struct mp_codec_opts *opts) {
  (void)L, (void)data, (void)size, (void)opts;
  return -1;
}
