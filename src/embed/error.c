/*
** error.c: codes and messages for hosts
** MIT licence, see LICENSE
*/

#include "embed/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

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

static int to_string(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

int mp_fail_lua(lua_State *L, int status, struct mplua_error *e) {
  if (status == LUA_ERRMEM) {
    lua_pop(L, 1);
    return mp_fail(e, -ENOMEM, "not enough memory");
  }
  lua_pushcfunction(L, to_string);
  lua_insert(L, -2);
  lua_pcall(L, 1, 1, 0);
  const char *text = lua_tostring(L, -1);
  int code = mp_fail(e, MPLUA_ELUA, "%s", text != NULL ? text : "?");
  lua_pop(L, 1);
  return code;
}
