/*
** l_output.c: print and io.write, for a family of processes
** MIT licence, see LICENSE
**
** Each function has the one it stands in for as its upvalue, and calls it in
** its own frame, with its own arguments, whenever there is nothing for us to
** do: while this process has no family, for files that are read, and for wrong
** arguments.  So results and error messages are the standard library's.
** Whatever is in a FILE's buffer goes out in whole lines (sync/output.h).
*/

#include "bind/output.h"

#include <errno.h>
#include <stdio.h>

#include "lauxlib.h"
#include "lualib.h"

#include "bind/core.h"
#include "bind/interrupt.h"
#include "bind/modules.h"
#include "codec/stdlib.h"
#include "sync/output.h"

/* Where liolib keeps the default output file. */
#define DEFAULT_OUTPUT "_IO_output"
#define ORIGINALS "multiprocessing.output"

static int original(lua_State *L) {
  return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static int has_family(void) {
  return mp_arena_if_any() != NULL;
}

/* --- writing -------------------------------------------------------------- */

static int stop(void *ctx) {
  return mp_interrupt_is_pending(ctx);
}

/* 0 or a negative errno; raises "interrupted!". */
static int put(lua_State *L, FILE *f, struct mp_text *t, int flags) {
  int rc;
  do
    rc = mp_output_put(f, t, flags, stop, L);
  while (rc == -EINTR && mp_interrupt_check(L));
  return rc;
}

/* 0 or a negative errno.  Nothing to do for what is not ours. */
static int flush(lua_State *L, FILE *f) {
  struct mp_text none = {0};
  if (f == NULL || !has_family() || !mp_stdio_is_plain(f))
    return 0;
  return put(L, f, &none, MP_OUTPUT_FLUSH);
}

void mp_output_flush(lua_State *L) {
  flush(L, stdout);
  flush(L, stderr);
  fflush(NULL);
}

/* --- the text of a call --------------------------------------------------- */

enum { DIGITS = 64 }; /* as liolib writes a number, at the longest */

struct text {
  struct mp_text spans;
  size_t len;
  char digits[MP_OUTPUT_SPANS][DIGITS];
};

static void add(struct text *t, const char *data, size_t len) {
  struct mp_span *s = &t->spans.span[t->spans.n++];
  s->data = data;
  s->len = len;
  t->len += len;
}

static void add_integer(struct text *t, lua_Integer i) {
  char *end = t->digits[t->spans.n] + DIGITS, *p = end;
  lua_Unsigned u = i < 0 ? 0 - (lua_Unsigned)i : (lua_Unsigned)i;
  do
    *--p = (char)('0' + u % 10);
  while ((u /= 10) != 0);
  if (i < 0)
    *--p = '-';
  add(t, p, (size_t)(end - p));
}

/* liolib writes numbers with fprintf: 1.0 is "1". */
static void add_number(lua_State *L, struct text *t, int arg) {
  char *digits = t->digits[t->spans.n];
  if (lua_isinteger(L, arg))
    add_integer(t, lua_tointeger(L, arg));
  else
    add(t, digits, (size_t)snprintf(digits, DIGITS, LUA_NUMBER_FMT,
                                    (LUAI_UACNUMBER)lua_tonumber(L, arg)));
}

/* 0: not what a file takes. */
static int add_arg(lua_State *L, struct text *t, int arg) {
  int type = lua_type(L, arg);
  size_t len;
  if (type == LUA_TSTRING) {
    const char *s = lua_tolstring(L, arg, &len);
    add(t, s, len);
  } else if (type == LUA_TNUMBER) {
    add_number(L, t, arg);
  }
  return type == LUA_TSTRING || type == LUA_TNUMBER;
}

/* Joins what is in t with stack[first..last] into one string, which it pushes:
** more than there are spans. */
static int join_args(lua_State *L, struct text *t, int first, int last) {
  luaL_Buffer b;
  size_t len;
  luaL_buffinit(L, &b);
  for (int i = first; i <= last; i++) {
    t->spans.n = 0;
    if (!add_arg(L, t, i))
      return 0;
    luaL_addlstring(&b, t->spans.span[0].data, t->spans.span[0].len);
  }
  luaL_pushresult(&b);
  t->spans.n = 0;
  t->len = 0;
  const char *s = lua_tolstring(L, -1, &len);
  add(t, s, len);
  return 1;
}

static int add_args(lua_State *L, struct text *t, int first, int last) {
  t->spans.n = 0;
  t->len = 0;
  if (last - first >= MP_OUTPUT_SPANS)
    return join_args(L, t, first, last);
  for (int i = first; i <= last; i++) {
    if (!add_arg(L, t, i))
      return 0;
  }
  return 1;
}

/* --- write ---------------------------------------------------------------- */

static void put_into_buffer(FILE *f, const struct text *t) {
  if (t->spans.n == 1) {
    fwrite(t->spans.span[0].data, 1, t->len, f);
    return;
  }
  flockfile(f);
  for (int i = 0; i < t->spans.n; i++)
    fwrite_unlocked(t->spans.span[i].data, 1, t->spans.span[i].len, f);
  funlockfile(f);
}

/* Writes stack[first..last].  1: done, with *rc; 0: not ours to do. */
static int write_args(lua_State *L, FILE *f, int first, int last, int *rc) {
  struct text t;
  *rc = 0;
  if (!add_args(L, &t, first, last))
    return 0;
  if (mp_stdio_fits(f, t.len)) {
    put_into_buffer(f, &t);
    return 1;
  }
  if (!mp_stdio_is_plain(f))
    return 0;
  *rc = put(L, f, &t.spans, 0);
  return 1;
}

static int fail(lua_State *L, int rc) {
  errno = -rc;
  return luaL_fileresult(L, 0, NULL);
}

/* The FILE of an open file's userdata, or NULL. */
static FILE *open_file(const luaL_Stream *s) {
  return s != NULL && s->closef != NULL ? s->f : NULL;
}

static int io_write(lua_State *L) {
  int rc, n = lua_gettop(L);
  if (!has_family())
    return original(L);
  lua_getfield(L, LUA_REGISTRYINDEX, DEFAULT_OUTPUT);
  FILE *f = open_file(lua_touserdata(L, -1));
  if (f == NULL || !write_args(L, f, 1, n, &rc)) {
    lua_settop(L, n);
    return original(L);
  }
  if (n > MP_OUTPUT_SPANS)
    lua_settop(L, n + 1);
  return rc < 0 ? fail(L, rc) : 1;
}

static int file_write(lua_State *L) {
  int rc, n = lua_gettop(L);
  if (!has_family())
    return original(L);
  FILE *f = open_file(luaL_testudata(L, 1, LUA_FILEHANDLE));
  if (f == NULL || !write_args(L, f, 2, n, &rc)) {
    lua_settop(L, n);
    return original(L);
  }
  lua_settop(L, 1);
  return rc < 0 ? fail(L, rc) : 1;
}

/* --- print ---------------------------------------------------------------- */

/* stack: n strings -> one, with tabs between and a newline behind */
static void join_line(lua_State *L, struct text *t, int n) {
  luaL_Buffer b;
  size_t len;
  luaL_buffinit(L, &b);
  for (int i = 1; i <= n; i++) {
    const char *s = lua_tolstring(L, i, &len);
    luaL_addlstring(&b, s, len);
    luaL_addchar(&b, i < n ? '\t' : '\n');
  }
  luaL_pushresult(&b);
  const char *line = lua_tolstring(L, -1, &len);
  add(t, line, len);
}

static void add_line(lua_State *L, struct text *t, int n) {
  t->spans.n = 0;
  t->len = 0;
  if (n > MP_OUTPUT_SPANS / 2) {
    join_line(L, t, n);
    return;
  }
  for (int i = 1; i <= n; i++) {
    size_t len;
    const char *s = lua_tolstring(L, i, &len);
    add(t, s, len);
    add(t, i < n ? "\t" : "\n", 1);
  }
  if (n == 0)
    add(t, "\n", 1);
}

/* All are turned into text before any is written: what __tostring prints is
** a line of its own. */
static int base_print(lua_State *L) {
  struct text t;
  int n = lua_gettop(L);
  if (!has_family())
    return original(L);
  for (int i = 1; i <= n; i++) {
    luaL_tolstring(L, i, NULL);
    lua_replace(L, i);
  }
  if (!mp_stdio_is_plain(stdout))
    return original(L);
  add_line(L, &t, n);
  put(L, stdout, &t.spans, MP_OUTPUT_FLUSH);
  return 0;
}

/* --- what makes a buffer go out ------------------------------------------- */

/* The original finds an empty buffer. */
static int flush_first(lua_State *L, FILE *f) {
  int rc = flush(L, f);
  int results = original(L);
  return rc < 0 ? fail(L, rc) : results;
}

static int file_flushed(lua_State *L) {
  return flush_first(L, open_file(luaL_testudata(L, 1, LUA_FILEHANDLE)));
}

/* Leaves an empty stack. */
static FILE *default_output(lua_State *L) {
  lua_settop(L, 0);
  lua_getfield(L, LUA_REGISTRYINDEX, DEFAULT_OUTPUT);
  FILE *f = open_file(lua_touserdata(L, -1));
  lua_settop(L, 0);
  return f;
}

static int io_flush(lua_State *L) {
  return flush_first(L, default_output(L));
}

/* liolib closes no standard file. */
static int close_file(lua_State *L, FILE *f) {
  return flush_first(L, f == stdout || f == stderr ? NULL : f);
}

static int file_close(lua_State *L) {
  return close_file(L, open_file(luaL_testudata(L, 1, LUA_FILEHANDLE)));
}

static int io_close(lua_State *L) {
  return lua_isnone(L, 1) ? close_file(L, default_output(L)) : file_close(L);
}

/* --- taking their places -------------------------------------------------- */

/* Has the table on top the standard library's function there?  Ours have an
** upvalue, the library's have none. */
static int is_standard(lua_State *L, const char *name) {
  int top = lua_gettop(L);
  lua_pushstring(L, name);
  lua_rawget(L, top);
  int is = lua_iscfunction(L, -1) && lua_getupvalue(L, -1, 1) == NULL;
  lua_settop(L, top);
  return is;
}

/*
** One place that a function of the library has.  The codec names a library's
** functions, not methods; it is told that ours are the library's, and finds
** the originals, which somebody may have kept, in this module.
*/
struct place {
  const char *field;
  lua_CFunction function;
  const char *kept_as;
};

/* stack: originals, ..., table */
static void replace(lua_State *L, int originals, const char *lib,
                    const struct place *p) {
  if (!is_standard(L, p->field))
    return;
  lua_pushstring(L, p->field);
  lua_pushstring(L, p->field);
  lua_rawget(L, -3);
  lua_pushvalue(L, -1);
  lua_setfield(L, originals, p->kept_as);
  lua_pushcclosure(L, p->function, 1);
  if (lib != NULL) {
    lua_pushvalue(L, -1);
    mp_originals_stand_in(L, lib, p->field);
  }
  lua_rawset(L, -3);
}

/* stack: originals, ..., table -> originals, ... */
static void replace_all(lua_State *L, int originals, const char *lib,
                        const struct place *p) {
  for (; lua_istable(L, -1) && p->field != NULL; p++)
    replace(L, originals, lib, p);
  lua_pop(L, 1);
}

static const struct place in_base[] = {{"print", base_print, "print"},
                                       {NULL, NULL, NULL}};
static const struct place in_io[] = {{"write", io_write, "io_write"},
                                     {"flush", io_flush, "io_flush"},
                                     {"close", io_close, "io_close"},
                                     {NULL, NULL, NULL}};
static const struct place methods[] = {
    {"write", file_write, "file_write"},
    {"flush", file_flushed, "file_flush"},
    {"close", file_close, "file_close"},
    {"seek", file_flushed, "file_seek"},
    {"setvbuf", file_flushed, "file_setvbuf"},
    {NULL, NULL, NULL}};

void mp_output_install(lua_State *L) {
  int top = lua_gettop(L), originals = top + 1;
  luaL_checkstack(L, 16, NULL);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, ORIGINALS);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, LUA_GNAME);
  replace_all(L, originals, LUA_GNAME, in_base);
  lua_getfield(L, -1, LUA_IOLIBNAME);
  replace_all(L, originals, LUA_IOLIBNAME, in_io);
  if (luaL_getmetatable(L, LUA_FILEHANDLE) == LUA_TTABLE) {
    lua_getfield(L, -1, "__index");
    replace_all(L, originals, NULL, methods);
  }
  lua_settop(L, top);
}

/* The originals, so that those who kept one can still send it by a name. */
int mp_open_output(lua_State *L) {
  mp_output_install(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, ORIGINALS);
  return 1;
}
