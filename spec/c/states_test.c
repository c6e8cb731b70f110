/*
** states_test.c: several threads, each with a state of its own, at once
** MIT licence, see LICENSE
**
** Every thread does something of everything in its own lua_State; what they
** share is the process: its arena, its slot, its list of things to close.
*/

#include <pthread.h>
#include <stdio.h>

#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"
#include "mplua.h"

static const char script[] =
    "local mp = require 'multiprocessing'\n"
    "local who = ...\n"
    "for round = 1, 12 do\n"
    "  local q, a, b = mp.Queue(), mp.Pipe()\n"
    "  local v, lock, m = mp.Value('i', 0), mp.Lock(), mp.Manager()\n"
    "  local d, l = m:dict(), m:list()\n"
    "  for i = 1, 150 do\n"
    "    q:put { who, i, ('x'):rep(i * 20) }\n"
    "    b:send { who, i }\n"
    "    v:add(1)\n"
    "    lock:with(function() d[i] = { i, who } l:append(i) end)\n"
    "    d['k' .. i] = mp.loads(mp.dumps { i, function() return i end })[1]\n"
    "  end\n"
    "  for i = 1, 150 do\n"
    "    local x, y = q:get(true, 20), a:recv()\n"
    "    assert(x[1] == who and x[2] == i and #x[3] == i * 20)\n"
    "    assert(y[1] == who and y[2] == i)\n"
    "    assert(d[i][2] == who and l[i] == i and d['k' .. i] == i)\n"
    "  end\n"
    "  assert(v.value == 150 and q:empty() and #d == 300)\n"
    "  assert(not q:try_get(0.001) and #mp.wait({ q, a }, 0.001) == 0)\n"
    "  if round % 4 == 0 then\n"
    "    local p = mp.Process{ target = os.exit, args = { who } }\n"
    "    p:start()\n"
    "    p:join()\n"
    "    assert(p.exitcode == who, p.exitcode)\n"
    "    local pool <close> = mp.Pool(1)\n"
    "    assert(pool:map(math.abs, { -1, -2, -3 })[3] == 3)\n"
    "  end\n"
    "  q, a, b, v, d, l = nil\n"
    "  collectgarbage()\n"
    "end\n";

static void *use_a_state(void *p) {
  int who = *(int *)p;
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  mplua_openlibs(L);
  int bad = luaL_loadstring(L, script) != LUA_OK;
  lua_pushinteger(L, who);
  bad = bad || lua_pcall(L, 1, 0, 0) != LUA_OK;
  if (bad)
    printf("FAILED: thread %d: %s\n", who, luaL_tolstring(L, -1, NULL));
  lua_close(L);
  return bad ? p : NULL;
}

int main(int argc, char **argv) {
  enum { N = 4, TURNS = 2 };
  int failed = 0, numbers[N];
  pthread_t threads[N];
  mplua_child_entry(argc, argv);
  for (int turn = 0; turn < TURNS; turn++) {
    for (int i = 0; i < N; i++) {
      numbers[i] = i + 1;
      failed += pthread_create(&threads[i], NULL, use_a_state, &numbers[i]) != 0;
    }
    for (int i = 0; i < N; i++) {
      void *bad = NULL;
      pthread_join(threads[i], &bad);
      failed += bad != NULL;
    }
  }
  printf("%d passed, %d failed\n", N * TURNS - failed, failed);
  return failed != 0;
}
