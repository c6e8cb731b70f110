/*
** host.c: the order of things in the standalone interpreter
** MIT licence, see LICENSE
**
** Everything that can raise runs inside the protected calls of
** mp_host_main: there is no panic but for want of memory at the very start.
*/

#include "host/host.h"

#include <stdlib.h>
#include <unistd.h>

#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

#include "host/memory.h"
#include "host/options.h"
#include "host/repl.h"
#include "host/report.h"
#include "host/run.h"
#include "host/script.h"
#include "mplua.h"

enum { EXIT_INTERRUPTED = 130 }; /* 128 + SIGINT, as shells say it */

/* A function there is called once when the script has ended, however it did:
** the library waits for its processes in it. */
#define AT_END "multiprocessing.at_end"

/* The libraries see -E before they look at the environment. */
static void open_libraries(lua_State *L, const struct mp_options *o) {
  luaL_checkversion(L);
  if (o->no_env) {
    lua_pushboolean(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
  }
  luaL_openlibs(L);
  mplua_openlibs(L);
  lua_gc(L, LUA_GCGEN, 0, 0); /* the standalone interpreter's choice */
}

/* An error in a script that nobody named ("lua <file") is reported but does
** not show in the exit code: so it is with `lua`, so it stays. */
static void run_stdin(lua_State *L) {
  if (!isatty(STDIN_FILENO)) {
    mp_run_file(L, NULL);
    return;
  }
  mp_report_version();
  mp_repl(L);
}

/* What follows the options: a script, the prompt, or standard input. */
static int run_rest(lua_State *L, const struct mp_options *o) {
  if (o->script < o->argc) {
    int status = mp_script_run(L, o);
    if (status != LUA_OK)
      return status;
  }
  if (o->interactive)
    mp_repl(L);
  else if (o->script == o->argc && !o->execute && !o->version)
    run_stdin(L);
  return LUA_OK;
}

/* (options) -> true when all went well; what went wrong was reported. */
static int session(lua_State *L) {
  const struct mp_options *o = lua_touserdata(L, 1);
  if (o->version)
    mp_report_version();
  open_libraries(L, o);
  mp_script_arg(L, o);
  int status = o->no_env ? LUA_OK : mp_run_init(L);
  if (status == LUA_OK)
    status = mp_options_run(L, o);
  if (status == LUA_OK)
    status = run_rest(L, o);
  lua_pushboolean(L, status == LUA_OK);
  return 1;
}

/* -> true when there was nothing to do, or it was done well. */
static int at_end(lua_State *L) {
  int status = LUA_OK;
  if (lua_getfield(L, LUA_REGISTRYINDEX, AT_END) == LUA_TFUNCTION)
    status = mp_report(L, mp_run_call(L, 0, 0));
  lua_pushboolean(L, status == LUA_OK);
  return 1;
}

/* Runs one of the two above; reports what they could not. */
static int guarded(lua_State *L, lua_CFunction f, struct mp_options *o) {
  lua_settop(L, 0);
  lua_pushcfunction(L, f);
  lua_pushlightuserdata(L, o);
  int status = mp_report(L, lua_pcall(L, 1, 1, 0));
  return status == LUA_OK && lua_toboolean(L, -1);
}

static lua_State *new_state(void) {
  lua_State *L = luaL_newstate();
  if (L == NULL)
    mp_report_message("cannot create state: not enough memory");
  else
    mp_memory_attach(L);
  return L;
}

int mp_host_main(int argc, char **argv) {
  struct mp_options o;
  mp_report_name(argc > 0 ? argv[0] : NULL);
  if (mp_options_parse(&o, argc, argv) < 0) {
    mp_options_usage(argv[o.script]);
    return EXIT_FAILURE;
  }
  lua_State *L = new_state();
  if (L == NULL)
    return EXIT_FAILURE;
  int well = guarded(L, session, &o);
  well = guarded(L, at_end, &o) && well;
  lua_close(L);
  if (mp_report_interrupted())
    return EXIT_INTERRUPTED;
  return well ? EXIT_SUCCESS : EXIT_FAILURE;
}
