/*
** codec_test.c: the codec's C interface, and what happens without memory
** MIT licence, see LICENSE
*/

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

#include "base/code.h"
#include "codec/codec.h"
#include "codec/fail.h"
#include "codec/scalar.h"
#include "codec/tags.h"

static int passed, failed;

static void check_at(int ok, const char *what, int line) {
  if (ok) {
    passed++;
    return;
  }
  failed++;
  printf("line %d: %s\n", line, what);
}
#define check(x) check_at((x), #x, __LINE__)

/* --- a Lua state that can be made to run out of memory -------------------- */

static long in_use;     /* blocks */
static long fail_after; /* allocations until one fails; < 0: never */

static void *alloc(void *ud, void *p, size_t old, size_t size) {
  (void)ud;
  (void)old;
  if (size == 0) {
    in_use -= p != NULL;
    free(p);
    return NULL;
  }
  if (fail_after == 0 && (p == NULL || size > old))
    return NULL; /* and from here on */
  if (fail_after > 0 && (p == NULL || size > old))
    fail_after--;
  in_use += p == NULL;
  return realloc(p, size);
}

static const char prelude[] =
    "local M = { Condition = {} }\n"
    "function M.new(name, message)\n"
    "  return setmetatable({ name = name, message = message }, M.Condition)\n"
    "end\n"
    "return M";

static lua_State *open_state(void) {
  fail_after = -1;
  lua_State *L = lua_newstate(alloc, NULL);
  luaL_openlibs(L);
  if (luaL_dostring(L, prelude) != LUA_OK)
    abort();
  mp_codec_set_errors(L);
  lua_settop(L, 0);
  return L;
}

static void run(lua_State *L, const char *code) {
  if (luaL_dostring(L, code) != LUA_OK) {
    printf("%s\n", lua_tostring(L, -1));
    abort();
  }
}

/* Encodes what is on the stack from `first` on; the message, to be freed. */
static unsigned char *encode(lua_State *L, int first, int flags,
                             size_t *size) {
  struct mp_codec_opts opts = {flags, 0, NULL, 0};
  int n = lua_gettop(L) - first + 1;
  struct mp_encoded *e = mp_encode(L, first, n, &opts);
  *size = (size_t)mp_encoded_size(e);
  unsigned char *copy = malloc(*size);
  mp_encoded_copy(e, copy);
  mp_encoded_done(L, e);
  return copy;
}

static int decode(lua_State *L, const unsigned char *message, size_t size,
                  int flags) {
  struct mp_codec_opts opts = {flags, 0, NULL, 0};
  return mp_decode(L, message, size, &opts);
}

/* --- several values, paths ------------------------------------------------ */

static void test_values(void) {
  lua_State *L = open_state();
  size_t size;
  run(L, "return 1, nil, 'x', {y = {2}}, nil");
  unsigned char *m = encode(L, 1, 0, &size);
  check(lua_gettop(L) == 5);
  lua_settop(L, 0);
  lua_pushliteral(L, "below");
  check(decode(L, m, size, 0) == 5);
  check(lua_gettop(L) == 6 && lua_isnil(L, 3) && lua_isnil(L, 6));
  check(lua_tointeger(L, 2) == 1 && lua_istable(L, 5));
  lua_settop(L, 1);
  check(decode(L, m, size - 1, 0) == MP_ECORRUPT);
  check(lua_gettop(L) == 2 && lua_istable(L, 2));
  free(m);
  lua_settop(L, 0);
  m = encode(L, 1, 0, &size); /* no value at all */
  check(decode(L, m, size, 0) == 0 && lua_gettop(L) == 0);
  free(m);
  lua_close(L);
  check(in_use == 0);
}

static int encode_args(lua_State *L) {
  struct mp_codec_opts opts = {MP_CODEC_CODE, 0, "args[]", 0};
  mp_encode(L, 1, lua_gettop(L), &opts);
  return 0;
}

static void test_path(void) {
  lua_State *L = open_state();
  lua_pushcfunction(L, encode_args);
  run(L, "return 1, {handler = {co = coroutine.create(print)}}");
  check(lua_pcall(L, 2, 0, 0) == LUA_ERRRUN);
  lua_getfield(L, -1, "message");
  check(strcmp(lua_tostring(L, -1),
               "cannot serialize a thread at args[2].handler.co") == 0);
  lua_close(L);
  check(in_use == 0);
}

/* --- shared objects ------------------------------------------------------- */

enum { TEST_TYPE = 250 };

static mp_off test_place(void *userdata) {
  return *(mp_off *)userdata;
}

static void test_push(lua_State *L, mp_off off);

static const struct mp_ref_type test_type = {TEST_TYPE, test_place, test_push};

static void test_push(lua_State *L, mp_off off) {
  mp_off *p = lua_newuserdatauv(L, sizeof *p, 0);
  *p = off;
  lua_newtable(L);
  lua_pushlightuserdata(L, (void *)(uintptr_t)&test_type);
  lua_setfield(L, -2, "__mpref");
  lua_pushliteral(L, "spec.Thing");
  lua_setfield(L, -2, "__name");
  lua_setmetatable(L, -2);
}

static int encode_shared(lua_State *L) {
  size_t size;
  free(encode(L, 1, (int)lua_tointeger(L, lua_upvalueindex(1)), &size));
  return 0;
}

/* stack: value -> message of the error that encoding it raises */
static const char *encode_error(lua_State *L, int flags) {
  lua_pushinteger(L, flags);
  lua_pushcclosure(L, encode_shared, 1);
  lua_insert(L, -2);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK)
    return "";
  lua_getfield(L, -1, "message");
  return lua_tostring(L, -1);
}

static void test_shared(void) {
  lua_State *L = open_state();
  struct mp_codec_opts opts = {MP_CODEC_SHARED, 0, NULL, 0};
  const mp_off *refs;
  mp_ref_register(&test_type);
  lua_newtable(L);
  test_push(L, 4096);
  lua_pushvalue(L, -1);
  lua_rawseti(L, 1, 1);
  lua_rawseti(L, 1, 2);
  test_push(L, 8192);
  lua_rawseti(L, 1, 3);
  struct mp_encoded *e = mp_encode(L, 1, 1, &opts);
  check(mp_encoded_refs(e, &refs) == 2 && refs[0] == 4096 && refs[1] == 8192);
  size_t size = (size_t)mp_encoded_size(e);
  unsigned char *m = malloc(size);
  mp_encoded_copy(e, m);
  mp_encoded_done(L, e);
  check(lua_gettop(L) == 1);
  check(decode(L, m, size, MP_CODEC_CODE) == MP_ECORRUPT);
  lua_settop(L, 0);
  check(decode(L, m, size, MP_CODEC_SHARED) == 1);
  lua_rawgeti(L, 1, 1);
  lua_rawgeti(L, 1, 2);
  lua_rawgeti(L, 1, 3);
  check(lua_rawequal(L, 2, 3) && !lua_rawequal(L, 3, 4));
  check(test_place(lua_touserdata(L, 4)) == 8192);
  free(m);
  lua_settop(L, 0);
  test_push(L, 4096);
  check(strcmp(encode_error(L, MP_CODEC_CODE),
               "cannot serialize a shared object (spec.Thing, which only "
               "messages within its family of processes hold)") == 0);
  test_push(L, 0);
  check(strcmp(encode_error(L, MP_CODEC_SHARED),
               "cannot serialize a closed spec.Thing") == 0);
  lua_close(L);
  check(in_use == 0);
}

/* --- in a worker, what is sent replaces ----------------------------------- */

static int is_true(lua_State *L, const char *code) {
  run(L, code);
  int yes = lua_toboolean(L, -1);
  lua_settop(L, 0);
  return yes;
}

static void test_replace(void) {
  lua_State *L = open_state();
  size_t size;
  run(L, "K = 1 Class = {} Class.__index = Class function Class.v() return 1 "
         "end function string.twice(s) return s .. s end "
         "return function() return K, ('x'):twice(), Class.v() end, "
         "setmetatable({}, Class)");
  unsigned char *m = encode(L, 1, MP_CODEC_CODE, &size);
  lua_settop(L, 0);
  run(L, "K = 2 Old = Class function Class.v() return 2 end Class.own = true "
         "function string.twice() return 'other' end");
  check(decode(L, m, size, MP_CODEC_CODE) == 2);
  lua_setglobal(L, "o");
  lua_setglobal(L, "f");
  check(is_true(L, "local a, b, c = f() return a == 2 and b == 'other' and "
                   "c == 2 and getmetatable(o) == Old"));
  check(decode(L, m, size, MP_CODEC_CODE | MP_CODEC_REPLACE) == 2);
  lua_setglobal(L, "o");
  lua_setglobal(L, "f");
  check(is_true(L, "local a, b, c = f() return a == 1 and b == 'xx' and "
                   "c == 1 and getmetatable(o) == Old and Class == Old"));
  free(m);
  lua_close(L);
  check(in_use == 0);
}

/* --- no memory ------------------------------------------------------------ */

static const char sample[] =
    "local x, deep = {1, 2.5, 'str'}, {} "
    "for i = 1, 50 do deep = {deep, tostring(i), [i + .5] = {}} end "
    "for i = 1, 300 do x[i] = 'string ' .. i x['k' .. i] = i end "
    "Cls = Cls or {__index = {f = function() return x end}} "
    "local function new(a) return {a} end "
    "local R = {__reduce = function(o) return new, o.v end} "
    "local function f() return x, K, f2 end function f2() return f() end K = 5 "
    "return {x, deep, x, f, f2, print, setmetatable({}, Cls), "
    "setmetatable({v = 1}, R), ('long'):rep(1000), string}";

static int encode_sample(lua_State *L) {
  struct mp_codec_opts opts = {MP_CODEC_CODE, 0, NULL, 0};
  mp_encoded_done(L, mp_encode(L, 1, 1, &opts));
  return 0;
}

/* Lets the n-th allocation fail, for every n, until encoding succeeds. */
static void test_encode_without_memory(void) {
  lua_State *L = open_state();
  int rc = LUA_ERRMEM, odd = 0;
  long n = 0;
  run(L, sample);
  for (; rc != LUA_OK && n < 100000; n++) {
    lua_pushcfunction(L, encode_sample);
    lua_pushvalue(L, 1);
    fail_after = n;
    rc = lua_pcall(L, 1, 0, 0);
    fail_after = -1;
    odd += rc != LUA_OK && rc != LUA_ERRMEM;
    lua_settop(L, 1);
  }
  check(rc == LUA_OK && n > 10);
  check(odd == 0);
  lua_close(L);
  check(in_use == 0);
}

static void test_decode_without_memory(void) {
  lua_State *L = open_state();
  size_t size;
  run(L, sample);
  unsigned char *m = encode(L, 1, MP_CODEC_CODE, &size);
  lua_settop(L, 0);
  int rc = -1, odd = 0;
  long n = 0;
  for (; rc < 0 && n < 100000; n++) {
    fail_after = n;
    rc = decode(L, m, size, MP_CODEC_CODE);
    fail_after = -1;
    odd += rc < 0 && lua_gettop(L) != 1;
    lua_settop(L, 0);
    if (n % 50 == 0)
      lua_gc(L, LUA_GCCOLLECT);
  }
  check(rc == 1 && n > 10);
  check(odd == 0);
  free(m);
  lua_close(L);
  check(in_use == 0);
}

/* --- re-entry ------------------------------------------------------------- */

static int nested(lua_State *L) {
  size_t size;
  lua_settop(L, 1);
  unsigned char *m = encode(L, 1, MP_CODEC_CODE, &size);
  lua_pushlstring(L, (const char *)m, size);
  free(m);
  return 1;
}

static void test_nested(void) {
  lua_State *L = open_state();
  size_t size;
  lua_register(L, "nested", nested);
  run(L, "local function make(n, s) return {n = n, inner = #s} end "
         "local R = {} R.__reduce = function(o) collectgarbage() "
         "if o.n == 0 then return make, 0, '' end "
         "return make, o.n, nested(setmetatable({n = o.n - 1}, R)) end "
         "return setmetatable({n = 5}, R)");
  for (int i = 0; i < 3; i++) {
    unsigned char *m = encode(L, 1, MP_CODEC_CODE, &size);
    check(decode(L, m, size, MP_CODEC_CODE) == 1);
    lua_getfield(L, -1, "n");
    check(lua_tointeger(L, -1) == 5);
    lua_settop(L, 1);
    free(m);
  }
  lua_close(L);
  check(in_use == 0);
}

/* --- plain values without the encoder ------------------------------------- */

/* Is the value on top encoded as mp_encode does it, and read as mp_decode does?
** No byte less or more is taken for a message. */
static void same_both_ways(lua_State *L, int is_string) {
  struct mp_scalar s;
  size_t size;
  unsigned char *m = encode(L, lua_gettop(L), 0, &size);
  unsigned char *mine = calloc(1, size + 1);
  check(mp_scalar_encode(L, -1, &s) && mp_scalar_size(&s) == size);
  mp_scalar_copy(&s, mine);
  check(memcmp(m, mine, size) == 0);
  int top = lua_gettop(L);
  for (size_t n = 0; n <= size + 1; n++)
    if (n != size)
      check(mp_scalar_decode(L, mine, n, 1) == 0 && lua_gettop(L) == top);
  check(mp_scalar_decode(L, mine, size, 0) == !is_string);
  lua_settop(L, top);
  check(mp_scalar_decode(L, mine, size, 1) == 1 && lua_gettop(L) == top + 1);
  check(lua_rawequal(L, -1, top));
  check(lua_type(L, -1) == lua_type(L, top) &&
        lua_isinteger(L, -1) == lua_isinteger(L, top));
  lua_settop(L, top - 1);
  free(m);
  free(mine);
}

static void test_scalars(void) {
  static const int bits[] = {0, 5, 6, 7, 8, 15, 16, 31, 32, 62, 63};
  lua_State *L = open_state();
  lua_pushnil(L);
  same_both_ways(L, 0);
  for (int yes = 0; yes <= 1; yes++) {
    lua_pushboolean(L, yes);
    same_both_ways(L, 0);
  }
  for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
    for (int off = -1; off <= 1; off++)
      for (int sign = 0; sign <= 1; sign++) {
        uint64_t v = (UINT64_C(1) << bits[i]) + (uint64_t)(int64_t)off;
        lua_pushinteger(L, (lua_Integer)(sign ? 0 - v : v));
        same_both_ways(L, 0);
      }
  run(L, "return 0.0, -0.0, 1.5, 3.0, math.huge, -math.huge, 2^63");
  while (lua_gettop(L) > 0)
    same_both_ways(L, 0);
  for (int n = 0; n < MP_BLOB_SHORTEST; n += n < 70 ? 1 : 659) {
    char text[MP_BLOB_SHORTEST];
    memset(text, n % 256, sizeof text);
    lua_pushlstring(L, text, (size_t)n);
    same_both_ways(L, 1);
  }
  lua_close(L);
  check(in_use == 0);
}

static void test_not_scalars(void) {
  struct mp_scalar s;
  size_t size;
  lua_State *L = open_state();
  run(L, "return {}, print, coroutine.create(print), ('x'):rep(2048)");
  for (int i = 1; i <= 4; i++)
    check(mp_scalar_encode(L, i, &s) == 0);
  run(L, "return {1}, 1, 2");
  unsigned char *two = encode(L, 6, 0, &size);
  check(mp_scalar_decode(L, two, size, 1) == 0);
  free(two);
  lua_settop(L, 5);
  unsigned char *table = encode(L, 5, 0, &size);
  check(mp_scalar_decode(L, table, size, 1) == 0 && lua_gettop(L) == 5);
  free(table);
  lua_close(L);
  check(in_use == 0);
}

int main(void) {
  test_values();
  test_path();
  test_shared();
  test_replace();
  test_encode_without_memory();
  test_decode_without_memory();
  test_nested();
  test_scalars();
  test_not_scalars();
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
