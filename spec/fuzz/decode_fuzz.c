/*
** decode_fuzz.c: libFuzzer's target: any bytes, decoded as data
** MIT licence, see LICENSE
**
** Whatever comes in, mp_decode returns; what it accepts is encoded again, and
** that must decode.  The first byte of the input is no part of the message: its
** lowest bit says whether a head is put in front, so that the fuzzer does not
** need to learn it.
*/

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

#include "base/code.h"
#include "codec/codec.h"
#include "codec/fail.h"
#include "codec/tags.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static lua_State *L;
static const struct mp_codec_opts opts = {0, 0, NULL};

/* Memory is bounded, as a message's cost must be: 4 KiB and 200 bytes for each
** byte of it. */
static size_t allowed, used;

static void *bounded(void *ud, void *p, size_t old, size_t size) {
  (void)ud;
  if (p == NULL)
    old = 0;
  if (size > old && allowed != 0 && used + size - old > allowed) {
    fprintf(stderr, "a message made us allocate more than its length allows\n");
    abort();
  }
  used += size - old;
  if (size == 0) {
    free(p);
    return NULL;
  }
  return realloc(p, size);
}

static const char errors[] =
    "local M = { Condition = {} }\n"
    "function M.new(name, message)\n"
    "  return setmetatable({ name = name, message = message }, M.Condition)\n"
    "end\n"
    "return M";

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  L = lua_newstate(bounded, NULL);
  luaL_openlibs(L);
  if (luaL_dostring(L, errors) != LUA_OK)
    abort();
  mp_codec_set_errors(L);
  lua_settop(L, 0);
  return 0;
}

static int encode_again(lua_State *S) {
  int n = lua_gettop(S);
  struct mp_encoded *e = mp_encode(S, 1, n, &opts);
  size_t size = (size_t)mp_encoded_size(e);
  char *copy = lua_newuserdatauv(S, size, 0);
  mp_encoded_copy(e, copy);
  if (mp_decode(S, copy, size, &opts) != n)
    abort();
  return 0;
}

static void decode(const uint8_t *data, size_t size) {
  allowed = used + 65536 + 200 * size;
  int n = mp_decode(L, data, size, &opts);
  allowed = 0;
  if (n < 0) {
    if (n != MP_ECORRUPT || !lua_istable(L, -1))
      abort(); /* not a SerializationError */
  }
  else if (n < 1000) {
    lua_pushcfunction(L, encode_again);
    lua_insert(L, -n - 1);
    if (lua_pcall(L, n, 0, 0) != LUA_OK)
      abort(); /* what was decoded can be encoded */
  }
  lua_settop(L, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static unsigned runs;
  if (size == 0)
    return 0;
  if (data[0] & 1) {
    uint8_t *message = malloc(MP_HEAD + size);
    const uint8_t head[MP_HEAD] = {MP_MAGIC, MP_WIRE_VERSION, 0, data[0] >> 1,
                                   1, 0, 0, 0};
    memcpy(message, head, MP_HEAD);
    memcpy(message + MP_HEAD, data + 1, size - 1);
    decode(message, MP_HEAD + size - 1);
    free(message);
  }
  else {
    uint8_t *message = malloc(size); /* its own block: overruns are seen */
    memcpy(message, data + 1, size - 1);
    decode(message, size - 1);
    free(message);
  }
  if (++runs % 64 == 0)
    lua_gc(L, LUA_GCCOLLECT);
  return 0;
}
