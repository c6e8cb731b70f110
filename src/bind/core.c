/*
** core.c: what every binding shares
** MIT licence, see LICENSE
*/

#include "bind/core.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/code.h"
#include "bind/bundle.h"
#include "bind/modules.h"
#include "bind/output.h"
#include "bind/sync.h"
#include "os/clock.h"
#include "store/dict.h"
#include "store/list.h"
#include "store/pipe.h"
#include "store/queue.h"

static const luaL_Reg c_modules[] = {
    {"multiprocessing.core.system", mp_open_system},
    {"multiprocessing.core.process", mp_open_process},
    {"multiprocessing.core.start", mp_open_start},
    {"multiprocessing.core.arena", mp_open_arena},
    {"multiprocessing.core.output", mp_open_output},
    {"multiprocessing.core.queue", mp_open_queue},
    {"multiprocessing.core.connection", mp_open_connection},
    {"multiprocessing.core.listener", mp_open_listener},
    {"multiprocessing.core.wait", mp_open_wait},
    {"multiprocessing.core.codec", mp_open_codec},
    {"multiprocessing.core.pool", mp_open_pool},
    {"multiprocessing.core.worker", mp_open_worker},
    {"multiprocessing.core.sync", mp_open_sync},
    {"multiprocessing.core.shared", mp_open_shared},
    {"multiprocessing.core.types", mp_open_types},
    {"multiprocessing.core.server", mp_open_server},
    {"multiprocessing.core.task", mp_open_task},
    {"multiprocessing.core.dict", mp_open_dict},
    {"multiprocessing.core.list", mp_open_list},
    {NULL, NULL},
};

/* --- modules -------------------------------------------------------------- */

/* upvalue 1: the bundle entry.  Called by require(name, data). */
static int load_bundled(lua_State *L) {
  const struct mp_bundle *b = lua_touserdata(L, lua_upvalueindex(1));
  if (luaL_loadbufferx(L, (const char *)b->code, b->size, b->name, "b"))
    return lua_error(L);
  lua_pushstring(L, b->name);
  lua_call(L, 1, 1);
  return 1;
}

void mp_core_preload(lua_State *L) {
  mp_queue_setup(); /* any process may be the last that lets go */
  mp_pipe_setup();
  mp_dict_setup();
  mp_list_setup();
  mp_sync_setup();
  mp_output_install(L); /* before a script keeps the originals */
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  for (const luaL_Reg *m = c_modules; m->name != NULL; m++) {
    lua_pushcfunction(L, m->func);
    lua_setfield(L, -2, m->name);
  }
  for (const struct mp_bundle *b = mp_bundle; b->name != NULL; b++) {
    if (strcmp(b->name, "multiprocessing") == 0)
      continue; /* `require` is at it, or finds luaopen_multiprocessing */
    lua_pushlightuserdata(L, (void *)(uintptr_t)b);
    lua_pushcclosure(L, load_bundled, 1);
    lua_setfield(L, -2, b->name);
  }
  lua_pop(L, 1);
}

int mp_core_require(lua_State *L, const char *name) {
  for (const struct mp_bundle *b = mp_bundle; b->name != NULL; b++) {
    if (strcmp(b->name, name) != 0)
      continue;
    lua_pushlightuserdata(L, (void *)(uintptr_t)b);
    lua_pushcclosure(L, load_bundled, 1);
    lua_call(L, 0, 1);
    return 1;
  }
  return luaL_error(L, "module '%s' is not in this build", name);
}

/* --- errors --------------------------------------------------------------- */

/* stack: message -> does not return */
static int raise_named(lua_State *L, const char *name) {
  int message = lua_gettop(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, "multiprocessing.errors") != LUA_TTABLE) {
    lua_getglobal(L, "require");
    lua_pushliteral(L, "multiprocessing.errors");
    lua_call(L, 1, 1);
  }
  lua_getfield(L, -1, "new");
  lua_pushstring(L, name);
  lua_pushvalue(L, message);
  lua_call(L, 2, 1);
  return lua_error(L);
}

int mp_raise(lua_State *L, const char *name, const char *fmt, ...) {
  va_list args;
  luaL_checkstack(L, 10, NULL);
  va_start(args, fmt);
  lua_pushvfstring(L, fmt, args);
  va_end(args);
  return raise_named(L, name);
}

static const char *condition_of(int code) {
  switch (code) {
  case MP_EEMPTY:
    return "Empty";
  case MP_EFULL:
    return "Full";
  case MP_ESHUTDOWN:
    return "ShutDown";
  case MP_EEOF:
    return "EOFError";
  case MP_ECLOSED:
    return "ClosedError";
  case MP_ETOOSHORT:
    return "BufferTooShort";
  case MP_EAUTH:
    return "AuthenticationError";
  case MP_EBROKEN:
    return "BrokenBarrierError";
  case MP_ELOST:
    return "WorkerLostError";
  case -ETIMEDOUT:
    return "TimeoutError";
  default:
    return "ProcessError";
  }
}

int mp_raise_code(lua_State *L, int code, const char *what) {
  if (code == -ENOMEM || code == MP_ENOARENA)
    return luaL_error(L, "%s: not enough memory (%s)", what,
                      code == -ENOMEM ? "private" : "shared");
  return mp_raise(L, condition_of(code), "%s: %s", what, mp_code_text(code));
}

/* --- waiting -------------------------------------------------------------- */

int64_t mp_slice(int64_t deadline) {
  int64_t soon = mp_now() + 250 * MP_MS;
  return deadline < soon ? deadline : soon;
}

int64_t mp_opt_deadline(lua_State *L, int arg) {
  if (lua_isnoneornil(L, arg))
    return MP_FOREVER;
  lua_Number s = luaL_checknumber(L, arg);
  luaL_argcheck(L, !isnan(s), arg, "timeout is not a number (NaN)");
  return mp_deadline_in((double)s);
}

int64_t mp_opt_block(lua_State *L, int arg) {
  if (!lua_isnoneornil(L, arg)) {
    if (lua_type(L, arg) == LUA_TNUMBER)
      luaL_argerror(L, arg, "boolean expected, got number; "
                            "the timeout is the next argument");
    luaL_checktype(L, arg, LUA_TBOOLEAN);
    if (!lua_toboolean(L, arg))
      return 0;
  }
  return mp_opt_deadline(L, arg + 1);
}

void mp_callable_check(lua_State *L, int arg) {
  if (lua_type(L, arg) == LUA_TFUNCTION)
    return;
  if (luaL_getmetafield(L, arg, "__call") == LUA_TNIL)
    luaL_typeerror(L, arg, "function");
  lua_pop(L, 1);
}

struct mp_arena *mp_core_arena(lua_State *L) {
  struct mp_arena *a;
  int rc = mp_arena_self(&a);
  if (rc < 0)
    mp_raise_code(L, rc, "cannot create the shared arena");
  return a;
}
