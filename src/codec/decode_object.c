/*
** decode_object.c: names, classes, __reduce
** MIT licence, see LICENSE
*/

#include "codec/decode.h"

int mp_get_name(lua_State *L, struct mp_decoder *d, uint64_t at, int shared) {
  (void)at; (void)shared;
  return mp_dec_fail(L, d, "an unknown tag");
}
int mp_get_class(lua_State *L, struct mp_decoder *d, uint64_t at, int tag) {
  (void)at; (void)tag;
  return mp_dec_fail(L, d, "an unknown tag");
}
int mp_get_function(lua_State *L, struct mp_decoder *d, uint64_t at,
                    int shared) {
  (void)at; (void)shared;
  return mp_dec_fail(L, d, "an unknown tag");
}
int mp_get_reduce(lua_State *L, struct mp_decoder *d, uint64_t at,
                  int shared) {
  (void)at; (void)shared;
  return mp_dec_fail(L, d, "an unknown tag");
}
int mp_take_function(lua_State *L, struct mp_decoder *d) { (void)L; (void)d; return 0; }
int mp_take_class(lua_State *L, struct mp_decoder *d) { (void)L; (void)d; return 0; }
int mp_take_reduce(lua_State *L, struct mp_decoder *d) { (void)L; (void)d; return 0; }
