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

/* stack: function -> " of function <app.lua:12>" */
static void function_text(lua_State *L) {
  lua_Debug ar;
  lua_getinfo(L, ">S", &ar);
  lua_pushfstring(L, " of function <%s:%d>", ar.short_src, ar.linedefined);
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

/* pushes "upvalue 'db'" and " of function <app.lua:12>" */
static void function_frame_text(lua_State *L, struct mp_encoded *e,
                                const struct mp_frame *f) {
  mp_enc_slot(L, e, f->slot);
  if (f->kind == MP_FRAME_FUNCTION) {
    const char *name = lua_getupvalue(L, -1, (int)f->list);
    lua_pushfstring(L, "upvalue '%s'", name == NULL ? "?" : name);
    if (name != NULL)
      lua_remove(L, -2);
  }
  else {
    mp_enc_slot(L, e, f->slot + 1);
    lua_pushfstring(L, "global '%s'", lua_tostring(L, -1));
    lua_remove(L, -2);
  }
  lua_insert(L, -2);
  function_text(L);
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
  default:
    lua_pushfstring(L, "[result #%d of its __reduce]", (int)f->list);
    break;
  }
}

/*
** stack: outer, text, tail -> the same, with the frame's piece added to text.
** A function begins anew: `outer` is then where the function is.
*/
static void add_frame(lua_State *L, struct mp_encoded *e,
                      const struct mp_frame *f) {
  if (f->kind == MP_FRAME_FUNCTION || f->kind == MP_FRAME_GLOBALS) {
    lua_concat(L, 2);
    lua_remove(L, -2);
    function_frame_text(L, e, f);
    return;
  }
  lua_insert(L, -2);
  frame_text(L, e, f, lua_tostring(L, -1));
  lua_concat(L, 2);
  lua_insert(L, -2);
}

/* stack: text -> outer, text, tail */
static void frames_text(lua_State *L, struct mp_encoded *e) {
  lua_pushliteral(L, "");
  lua_insert(L, -2);
  lua_pushliteral(L, "");
  for (size_t i = 0; i < e->depth; i++) {
    if (i == SHOWN && e->depth > 2 * SHOWN) {
      lua_insert(L, -2);
      lua_pushliteral(L, "...");
      lua_concat(L, 2);
      lua_insert(L, -2);
      i = e->depth - SHOWN;
    }
    add_frame(L, e, &e->frames[i]);
  }
}

static void root_text(lua_State *L, const struct mp_encoded *e) {
  size_t len = e->root == NULL ? 0 : strlen(e->root);
  if (e->item != 0) {
    lua_pushfstring(L, "%s[%I]", len == 0 ? "" : e->root, e->item);
    if (e->n > 1) {
      lua_pushfstring(L, "%s[%d]", lua_tostring(L, -1), e->current);
      lua_remove(L, -2);
    }
  }
  else if (len > 2 && strcmp(e->root + len - 2, "[]") == 0) {
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
  lua_concat(L, 2);
  const char *outer = lua_tostring(L, -2), *path = lua_tostring(L, -1);
  if (*outer != '\0')
    lua_pushfstring(L, " at %s (the function is at %s)", path, outer);
  else
    lua_pushfstring(L, "%s%s", *path == '\0' ? "" : " at ", path);
  lua_insert(L, -3);
  lua_pop(L, 2);
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
  lua_pushfstring(L, "%s%s", e->detail ? ": " : "", e->detail ? e->detail : "");
  lua_concat(L, 3);
  return mp_codec_raise(L);
}
