/*
** encode_path.c: where in a value something could not be serialized
** MIT licence, see LICENSE
**
** The frames say it: the path is put together only when there is an error.
** Inside a function it begins anew, at the upvalue or the global.
*/

#include "codec/encode.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

#include "lauxlib.h"

#include "codec/fail.h"

enum { SHOWN = 24 }; /* frames at either end of a long path */

static int is_identifier(const char *s, size_t len) {
  if (len == 0 || len > 60 || isdigit((unsigned char)*s))
    return 0;
  for (size_t i = 0; i < len; i++)
    if (!isalnum((unsigned char)s[i]) && s[i] != '_')
      return 0;
  return 1;
}

/* stack: key -> text */
static void index_text(lua_State *L, const char *before) {
  size_t len;
  const char *s;
  switch (lua_type(L, -1)) {
  case LUA_TSTRING:
    s = lua_tolstring(L, -1, &len);
    if (is_identifier(s, len))
      lua_pushfstring(L, "%s%s", *before == '\0' ? "" : ".", s);
    else
      lua_pushfstring(L, "[\"%s\"]", s);
    break;
  case LUA_TNUMBER:
    lua_pushvalue(L, -1);
    lua_pushfstring(L, "[%s]", lua_tostring(L, -1));
    lua_remove(L, -2);
    break;
  case LUA_TBOOLEAN:
    lua_pushfstring(L, "[%s]", lua_toboolean(L, -1) ? "true" : "false");
    break;
  default:
    lua_pushfstring(L, "[a %s]", luaL_typename(L, -1));
    break;
  }
  lua_remove(L, -2);
}

/* stack: function -> "function <app.lua:12>" */
static void function_text(lua_State *L) {
  lua_Debug ar;
  lua_getinfo(L, ">S", &ar);
  lua_pushfstring(L, "function <%s:%d>", ar.short_src, ar.linedefined);
}

static void table_text(lua_State *L, struct mp_encoded *e,
                       const struct mp_frame *f, const char *before) {
  if (f->value_due) {
    lua_pushliteral(L, "[a key]");
    return;
  }
  if (f->in_list)
    lua_pushinteger(L, f->list);
  else
    mp_enc_slot(L, e, f->slot + 1);
  index_text(L, before);
}

/* " at upvalue 'db' of function <app.lua:12>": what the frame is writing */
static void function_frame_text(lua_State *L, struct mp_encoded *e,
                                const struct mp_frame *f) {
  mp_enc_slot(L, e, f->slot);
  int function = lua_gettop(L);
  if (f->kind == MP_FRAME_FUNCTION) {
    const char *name = lua_getupvalue(L, function, (int)f->list);
    lua_pushfstring(L, "upvalue '%s' of ", name == NULL ? "?" : name);
  }
  else {
    mp_enc_slot(L, e, f->slot + 1);
    lua_pushfstring(L, "global '%s' of ", lua_tostring(L, -1));
  }
  lua_pushvalue(L, function);
  function_text(L);
  lua_concat(L, 2);
  lua_replace(L, function);
  lua_settop(L, function);
}

static void frame_text(lua_State *L, struct mp_encoded *e,
                       const struct mp_frame *f, const char *before) {
  switch (f->kind) {
  case MP_FRAME_TABLE:
    table_text(L, e, f, before);
    break;
  case MP_FRAME_TAIL:
    lua_pushliteral(L, "[its metatable]");
    break;
  case MP_FRAME_REDUCE:
    lua_pushfstring(L, "[result #%d of its __reduce]", (int)f->list);
    break;
  default:
    function_frame_text(L, e, f);
    break;
  }
}

/* stack: text, piece -> text; a function's piece begins a text of its own */
static void append(lua_State *L, const struct mp_frame *f) {
  int anew = f->kind == MP_FRAME_FUNCTION || f->kind == MP_FRAME_GLOBALS;
  if (!anew) {
    lua_concat(L, 2);
    return;
  }
  lua_remove(L, -2);
}

/* Pushes the frames' text, and above it that before the last function. */
static void frames_text(lua_State *L, struct mp_encoded *e) {
  for (size_t i = 0; i < e->depth; i++) {
    const struct mp_frame *f = &e->frames[i];
    if (i == SHOWN && e->depth > 2 * SHOWN) {
      lua_pushliteral(L, "...");
      lua_concat(L, 2);
      i = e->depth - SHOWN;
      f = &e->frames[i];
    }
    frame_text(L, e, f, lua_tostring(L, -1));
    append(L, f);
  }
}

static void root_text(lua_State *L, const struct mp_encoded *e) {
  size_t len = e->root == NULL ? 0 : strlen(e->root);
  if (len > 2 && strcmp(e->root + len - 2, "[]") == 0) {
    lua_pushlstring(L, e->root, len - 2);
    lua_pushfstring(L, "%s[%d]", lua_tostring(L, -1), e->current);
    lua_remove(L, -2);
  }
  else if (e->n > 1)
    lua_pushfstring(L, "%s[%d]", len == 0 ? "" : e->root, e->current);
  else
    lua_pushstring(L, len == 0 ? "" : e->root);
}

void mp_enc_path(lua_State *L, struct mp_encoded *e) {
  luaL_checkstack(L, 16, NULL);
  root_text(L, e);
  frames_text(L, e);
  size_t len;
  const char *path = lua_tolstring(L, -1, &len);
  lua_pushfstring(L, "%s%s", len == 0 ? "" : " at ", path);
  lua_remove(L, -2);
}

int mp_enc_fail(lua_State *L, struct mp_encoded *e, const char *fmt, ...) {
  va_list args;
  luaL_checkstack(L, 16, NULL);
  lua_pushliteral(L, "cannot serialize ");
  va_start(args, fmt);
  lua_pushvfstring(L, fmt, args);
  va_end(args);
  lua_concat(L, 2);
  mp_enc_path(L, e);
  lua_concat(L, 2);
  return mp_codec_raise(L);
}
