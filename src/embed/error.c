/*
** error.c: codes and messages for hosts
** MIT licence, see LICENSE
*/

#include "embed/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lauxlib.h"

#include "base/code.h"

_Static_assert((int)MPLUA_EEOF == MP_EEOF, "one number, one meaning");
_Static_assert((int)MPLUA_ECLOSED == MP_ECLOSED, "likewise");
_Static_assert((int)MPLUA_ECORRUPT == MP_ECORRUPT, "likewise");
_Static_assert((int)MPLUA_ETOOLONG == MP_ETOOSHORT, "likewise");
_Static_assert((int)MPLUA_ELOST == MP_ELOST, "likewise");

const char *mplua_strerror(int code) {
  switch (code) {
  case MPLUA_ELUA:
    return "error in Lua";
  case MPLUA_ENOTARGET:
    return "the program cannot be started as a child: let its main begin "
           "with mplua_child_entry, or name another executable";
  case MPLUA_EBROKEN:
    return "the pool's workers cannot be kept alive";
  case MPLUA_ETYPE:
    return "no value of that type";
  default:
    return mp_code_text(code);
  }
}

int mp_fail(struct mplua_error *e, int code, const char *fmt, ...) {
  va_list args;
  if (e == NULL)
    return code;
  e->code = code;
  va_start(args, fmt);
  vsnprintf(e->message, sizeof e->message, fmt, args);
  va_end(args);
  return code;
}

int mp_fail_code(struct mplua_error *e, int code, const char *what) {
  return mp_fail(e, code, "%s: %s", what, mplua_strerror(code));
}

/* What the library's own conditions mean here. */
static const struct {
  const char *name;
  int code;
} conditions[] = {
    {"ClosedError", MPLUA_ECLOSED},   {"EOFError", MPLUA_EEOF},
    {"TimeoutError", -ETIMEDOUT},     {"CancelledError", -ECANCELED},
    {"WorkerLostError", MPLUA_ELOST}, {"BrokenPoolError", MPLUA_EBROKEN},
};

static int code_of(const char *name) {
  for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++)
    if (strcmp(conditions[i].name, name) == 0)
      return conditions[i].code;
  return MPLUA_ELUA;
}

/* stack[1][key], if it is a string of the table's own; else NULL */
static const char *own_string(lua_State *L, const char *key) {
  lua_pushstring(L, key);
  lua_rawget(L, 1);
  return lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
}

/* (value) -> message, code */
static int describe(lua_State *L) {
  lua_settop(L, 1);
  if (lua_istable(L, 1)) {
    const char *name = own_string(L, "name");
    const char *message = own_string(L, "message");
    if (name != NULL && message != NULL) {
      if (strcmp(name, "RemoteError") != 0) /* the message says it itself */
        lua_pushfstring(L, "%s: %s", name, message);
      lua_pushinteger(L, code_of(name));
      return 2;
    }
  }
  luaL_tolstring(L, 1, NULL);
  lua_pushinteger(L, MPLUA_ELUA);
  return 2;
}

int mp_fail_lua(lua_State *L, int status, struct mplua_error *e) {
  if (status == LUA_ERRMEM || !lua_checkstack(L, 4)) {
    lua_pop(L, 1);
    return mp_fail(e, -ENOMEM, "not enough memory");
  }
  lua_pushcfunction(L, describe);
  lua_insert(L, -2);
  if (lua_pcall(L, 1, 2, 0) != LUA_OK)
    lua_pushinteger(L, MPLUA_ELUA);
  const char *text = lua_tostring(L, -2);
  int code = mp_fail(e, (int)lua_tointeger(L, -1), "%s",
                     text != NULL ? text : "?");
  lua_pop(L, 2);
  return code;
}
