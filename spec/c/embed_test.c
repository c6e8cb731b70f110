/*
** embed_test.c: a C program as host: its own spawn target, with threads
** MIT licence, see LICENSE
*/

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"
#include "mplua.h"

static int passed, failed;

static void check(int ok, const char *what) {
  passed += ok;
  failed += !ok;
  if (!ok)
    printf("FAILED: %s\n", what);
}

/* Runs a chunk; its first result as a string must be `wanted`. */
static void expect(lua_State *L, const char *chunk, const char *wanted) {
  lua_settop(L, 0);
  if (luaL_dostring(L, chunk) != LUA_OK)
    luaL_tolstring(L, -1, NULL);
  const char *got = luaL_tolstring(L, -1, NULL);
  if (strcmp(got, wanted) != 0)
    printf("got: %s\n", got);
  check(strcmp(got, wanted) == 0, chunk);
}

static const char exit_codes[] =
    "local mp, codes = require 'multiprocessing', {}\n"
    "for i, m in ipairs { %s } do\n"
    "  local p = mp.get_context(m).Process{ target = os.exit, args = { i } }\n"
    "  p:start()\n"
    "  p:join()\n"
    "  codes[i] = p.exitcode\n"
    "end\n"
    "return table.concat(codes, ' ')";

static void expect_codes(lua_State *L, const char *methods, const char *codes) {
  char chunk[sizeof exit_codes + 64];
  snprintf(chunk, sizeof chunk, exit_codes, methods);
  expect(L, chunk, codes);
}

static void *wait_for_end(void *end) {
  char byte;
  return read(*(int *)end, &byte, 1) == 0 ? NULL : end;
}

static lua_State *open_state(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  mplua_openlibs(L);
  return L;
}

/* Another thread lives: the default is forkserver, fork is refused. */
static void test_threads(lua_State *L) {
  int end[2];
  pthread_t thread;
  check(pipe(end) == 0, "pipe");
  check(pthread_create(&thread, NULL, wait_for_end, &end[0]) == 0, "thread");
  expect(L, "return require('multiprocessing').get_start_method()",
         "forkserver");
  expect(L,
         "local mp = require 'multiprocessing'\n"
         "local p = mp.get_context('fork').Process{ target = print }\n"
         "local ok, e = pcall(p.start, p)\n"
         "return mp.iserror(e, 'ProcessError') and\n"
         "  tostring(e):match('2 threads.*forkserver') and 'refused'",
         "refused");
  expect_codes(L, "'forkserver', 'spawn'", "1 2");
  close(end[1]);
  pthread_join(thread, NULL);
  close(end[0]);
  expect(L, "return require('multiprocessing').get_start_method()", "fork");
}

int main(int argc, char **argv) {
  mplua_child_entry(argc, argv);
  check(strcmp(mplua_version(), MPLUA_VERSION) == 0, "version");
  lua_State *L = open_state();
  lua_State *L2 = open_state();
  expect_codes(L, "'fork', 'spawn', 'forkserver'", "1 2 3");
  expect_codes(L2, "'forkserver', 'fork', 'spawn'", "1 2 3");
  test_threads(L);
  lua_close(L2);
  expect_codes(L, "'spawn', 'fork'", "1 2");
  lua_close(L);
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
