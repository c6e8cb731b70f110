/*
** values.c: lists of Lua values for hosts
** MIT licence, see LICENSE
**
** Whatever can raise runs in a protected call.
*/

#include "embed/values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lauxlib.h"

#include "base/code.h"
#include "embed/error.h"

enum { ROOM = 8 }; /* stack places that a call here needs beyond its value */

/* --- the list ------------------------------------------------------------- */

static void *count_memory(void *ud, void *block, size_t old, size_t size) {
  struct mplua_values *v = ud;
  size_t had = block != NULL ? old : 0;
  if (size > had && size - had > v->most - v->used)
    return NULL;
  void *moved = NULL;
  if (size == 0)
    free(block);
  else if ((moved = realloc(block, size)) == NULL)
    return NULL;
  v->used = v->used - had + size;
  return moved;
}

mplua_values *mp_values_limited(size_t most) {
  mplua_values *v = calloc(1, sizeof *v);
  if (v == NULL)
    return NULL;
  v->most = most;
  v->L = lua_newstate(count_memory, v);
  if (v->L == NULL) {
    free(v);
    return NULL;
  }
  return v;
}

mplua_values *mplua_values_new(void) {
  return mp_values_limited(SIZE_MAX);
}

void mplua_values_free(mplua_values *v) {
  if (v == NULL)
    return;
  lua_close(v->L);
  free(v);
}

void mplua_values_clear(mplua_values *v) {
  lua_settop(v->L, 0);
}

int mplua_count(const mplua_values *v) {
  return lua_gettop(v->L);
}

lua_State *mplua_values_state(mplua_values *v) {
  return v->L;
}

int mplua_pop(mplua_values *v, int n) {
  if (n < 0 || n > lua_gettop(v->L))
    return MPLUA_ETYPE;
  lua_pop(v->L, n);
  return 0;
}

/* --- building ------------------------------------------------------------- */

/* What a protected push makes. */
struct make {
  const void *bytes;
  size_t size;
};

static int make_string(lua_State *L) {
  const struct make *m = lua_touserdata(L, 1);
  lua_pushlstring(L, m->bytes, m->size);
  return 1;
}

static int make_table(lua_State *L) {
  lua_newtable(L);
  return 1;
}

static int protect(mplua_values *v, lua_CFunction f, struct make *m) {
  if (!lua_checkstack(v->L, ROOM))
    return -ENOMEM;
  lua_pushcfunction(v->L, f);
  lua_pushlightuserdata(v->L, m);
  int status = lua_pcall(v->L, 1, 1, 0);
  return status == LUA_OK ? 0 : mp_fail_lua(v->L, status, NULL);
}

int mplua_push_nil(mplua_values *v) {
  if (!lua_checkstack(v->L, ROOM))
    return -ENOMEM;
  lua_pushnil(v->L);
  return 0;
}

int mplua_push_boolean(mplua_values *v, int b) {
  if (!lua_checkstack(v->L, ROOM))
    return -ENOMEM;
  lua_pushboolean(v->L, b);
  return 0;
}

int mplua_push_integer(mplua_values *v, int64_t n) {
  if (!lua_checkstack(v->L, ROOM))
    return -ENOMEM;
  lua_pushinteger(v->L, (lua_Integer)n);
  return 0;
}

int mplua_push_number(mplua_values *v, double n) {
  if (!lua_checkstack(v->L, ROOM))
    return -ENOMEM;
  lua_pushnumber(v->L, (lua_Number)n);
  return 0;
}

int mplua_push_bytes(mplua_values *v, const void *p, size_t size) {
  struct make m = {p, size};
  return protect(v, make_string, &m);
}

int mplua_push_string(mplua_values *v, const char *s) {
  return mplua_push_bytes(v, s, strlen(s));
}

int mplua_push_table(mplua_values *v) {
  return protect(v, make_table, NULL);
}

/* (table, value, name) */
static int set_field(lua_State *L) {
  const struct make *m = lua_touserdata(L, 3);
  lua_pushlstring(L, m->bytes, m->size);
  lua_pushvalue(L, 2);
  lua_rawset(L, 1);
  return 0;
}

static int append(lua_State *L) {
  lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
  lua_settop(L, 2);
  lua_rawseti(L, 1, n + 1);
  return 0;
}

/* Calls f(table, value, m); the value leaves the list, whatever happens. */
static int change_table(mplua_values *v, lua_CFunction f, struct make *m) {
  lua_State *L = v->L;
  if (lua_gettop(L) < 2 || !lua_istable(L, -2))
    return MPLUA_ETYPE;
  if (!lua_checkstack(L, ROOM))
    return -ENOMEM;
  lua_pushcfunction(L, f);
  lua_pushvalue(L, -3);
  lua_rotate(L, -3, -1); /* table, f, table, value */
  lua_pushlightuserdata(L, m);
  int status = lua_pcall(L, 3, 0, 0);
  return status == LUA_OK ? 0 : mp_fail_lua(L, status, NULL);
}

int mplua_set_field(mplua_values *v, const char *name) {
  struct make m = {name, strlen(name)};
  return change_table(v, set_field, &m);
}

int mplua_append(mplua_values *v) {
  return change_table(v, append, NULL);
}

/* --- reading -------------------------------------------------------------- */

/* A place on the stack; 0: there is none. */
static int place(const mplua_values *v, int i) {
  int n = lua_gettop(v->L);
  if (i < 0)
    i = n + 1 + i;
  return i >= 1 && i <= n ? i : 0;
}

enum mplua_type mplua_type(const mplua_values *v, int i) {
  if ((i = place(v, i)) == 0)
    return MPLUA_TNONE;
  switch (lua_type(v->L, i)) {
  case LUA_TNIL:
    return MPLUA_TNIL;
  case LUA_TBOOLEAN:
    return MPLUA_TBOOLEAN;
  case LUA_TNUMBER:
    return lua_isinteger(v->L, i) ? MPLUA_TINTEGER : MPLUA_TNUMBER;
  case LUA_TSTRING:
    return MPLUA_TSTRING;
  case LUA_TTABLE:
    return MPLUA_TTABLE;
  default:
    return MPLUA_TOTHER;
  }
}

static int is(const mplua_values *v, int i, int type) {
  return i != 0 && lua_type(v->L, i) == type;
}

int mplua_get_boolean(const mplua_values *v, int i, int *out) {
  if (!is(v, i = place(v, i), LUA_TBOOLEAN))
    return MPLUA_ETYPE;
  *out = lua_toboolean(v->L, i);
  return 0;
}

int mplua_get_integer(const mplua_values *v, int i, int64_t *out) {
  int is_integer = 0;
  if (!is(v, i = place(v, i), LUA_TNUMBER))
    return MPLUA_ETYPE;
  lua_Integer n = lua_tointegerx(v->L, i, &is_integer);
  if (!is_integer)
    return MPLUA_ETYPE;
  *out = (int64_t)n;
  return 0;
}

int mplua_get_number(const mplua_values *v, int i, double *out) {
  if (!is(v, i = place(v, i), LUA_TNUMBER))
    return MPLUA_ETYPE;
  *out = (double)lua_tonumber(v->L, i);
  return 0;
}

int mplua_get_string(const mplua_values *v, int i, const char **s,
                     size_t *size) {
  if (!is(v, i = place(v, i), LUA_TSTRING))
    return MPLUA_ETYPE;
  *s = lua_tolstring(v->L, i, size);
  return 0;
}

int64_t mplua_get_length(const mplua_values *v, int i) {
  if (!is(v, i = place(v, i), LUA_TTABLE))
    return MPLUA_ETYPE;
  return (int64_t)lua_rawlen(v->L, i);
}

/* (table, name) -> value */
static int get_field(lua_State *L) {
  const struct make *m = lua_touserdata(L, 2);
  lua_pushlstring(L, m->bytes, m->size);
  lua_rawget(L, 1);
  return 1;
}

int mplua_get_field(mplua_values *v, int i, const char *name) {
  struct make m = {name, strlen(name)};
  if (!is(v, i = place(v, i), LUA_TTABLE))
    return MPLUA_ETYPE;
  if (!lua_checkstack(v->L, ROOM))
    return -ENOMEM;
  lua_pushcfunction(v->L, get_field);
  lua_pushvalue(v->L, i);
  lua_pushlightuserdata(v->L, &m);
  int status = lua_pcall(v->L, 2, 1, 0);
  return status == LUA_OK ? 0 : mp_fail_lua(v->L, status, NULL);
}

int mplua_get_item(mplua_values *v, int i, int64_t item) {
  if (!is(v, i = place(v, i), LUA_TTABLE))
    return MPLUA_ETYPE;
  if (!lua_checkstack(v->L, ROOM))
    return -ENOMEM;
  lua_rawgeti(v->L, i, (lua_Integer)item);
  return 0;
}

/* --- as messages ---------------------------------------------------------- */

static const struct mp_codec_opts data = {.root = "args[]"};

struct encoding {
  struct mp_codec_opts opts;
  struct mp_buf *to;
  int rc;
};

/* (values..., encoding) */
static int encode(lua_State *L) {
  int n = lua_gettop(L) - 1;
  struct encoding *g = lua_touserdata(L, -1);
  lua_settop(L, n);
  struct mp_encoded *e = mp_encode(L, 1, n, &g->opts);
  size_t size = (size_t)mp_encoded_size(e);
  g->rc = mp_buf_reserve(g->to, size);
  if (g->rc >= 0) {
    mp_encoded_copy(e, g->to->data + g->to->len);
    g->to->len += size;
  }
  mp_encoded_done(L, e);
  return 0;
}

int mp_values_encode_from(lua_State *L, int first, int n,
                          const struct mp_codec_opts *opts, struct mp_buf *b,
                          struct mplua_error *e) {
  struct encoding g = {.opts = *opts, .to = b};
  first = lua_absindex(L, first);
  if (!lua_checkstack(L, n + ROOM))
    return mp_fail_code(e, -ENOMEM, "values");
  lua_pushcfunction(L, encode);
  for (int i = 0; i < n; i++)
    lua_pushvalue(L, first + i);
  lua_pushlightuserdata(L, &g);
  int status = lua_pcall(L, n + 1, 0, 0);
  if (status != LUA_OK)
    return mp_fail_lua(L, status, e);
  return g.rc < 0 ? mp_fail_code(e, g.rc, "values") : 0;
}

int mp_values_encode(const mplua_values *v, struct mp_buf *b,
                     struct mplua_error *e) {
  return mp_values_encode_from(v->L, 1, lua_gettop(v->L), &data, b, e);
}

int mp_values_decode(mplua_values *v, const void *p, size_t size) {
  if (!lua_checkstack(v->L, ROOM))
    return -ENOMEM;
  int n = mp_decode(v->L, p, size, &data);
  if (n < 0)
    lua_pop(v->L, 1);
  return n;
}

int mplua_values_copy(mplua_values *v, lua_State *L, int first, int n,
                      struct mplua_error *e) {
  struct mp_buf b;
  mp_buf_init(&b);
  int rc = mp_values_encode_from(L, first, n, &data, &b, e);
  if (rc >= 0 && (rc = mp_values_decode(v, b.data, b.len)) < 0)
    mp_fail_code(e, rc, "values");
  mp_buf_fini(&b);
  return rc < 0 ? rc : 0;
}
