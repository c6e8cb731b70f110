/*
** repl.c: the interactive mode
** MIT licence, see LICENSE
**
** A statement is first tried as an expression; one that the parser calls
** unfinished is continued on the next line.
*/

#include "host/repl.h"

#include <stdio.h>
#include <string.h>

#include "lauxlib.h"

#include "host/line.h"
#include "host/report.h"
#include "host/run.h"

enum outcome { READY, BAD, ABANDONED, ENDED };

/* Pushes _PROMPT or _PROMPT2 as a string, or what stands for it. */
static const char *push_prompt(lua_State *L, int first) {
  if (lua_getglobal(L, first ? "_PROMPT" : "_PROMPT2") == LUA_TNIL)
    return lua_pushstring(L, first ? "> " : ">> ");
  const char *text = luaL_tolstring(L, -1, NULL);
  lua_remove(L, -2);
  return text;
}

/* Pushes a line, unless there is none. */
static enum mp_line read_line(lua_State *L, int first) {
  int before = lua_gettop(L);
  enum mp_line got = mp_line_read(L, push_prompt(L, first));
  if (got == MP_LINE_TEXT)
    lua_replace(L, before + 1); /* the prompt was needed until now */
  lua_settop(L, before + (got == MP_LINE_TEXT));
  return got;
}

/* "= f()" of old Lua means "return f()". */
static void rewrite_equals(lua_State *L) {
  const char *line = lua_tostring(L, -1);
  if (line[0] != '=')
    return;
  lua_pushfstring(L, "return %s", line + 1);
  lua_remove(L, -2);
}

/* stack: text -> text, chunk; or text alone */
static int load_expression(lua_State *L) {
  lua_pushfstring(L, "return %s;", lua_tostring(L, 1));
  size_t size;
  const char *code = lua_tolstring(L, -1, &size);
  if (luaL_loadbuffer(L, code, size, "=stdin") == LUA_OK) {
    lua_remove(L, -2);
    return 1;
  }
  lua_settop(L, 1);
  return 0;
}

/* Does the parser, with this message, ask for more? */
static int is_unfinished(lua_State *L, int status) {
  static const char mark[] = "<eof>";
  size_t size, n = sizeof mark - 1;
  if (status != LUA_ERRSYNTAX)
    return 0;
  const char *message = lua_tolstring(L, -1, &size);
  return size >= n && memcmp(message + size - n, mark, n) == 0;
}

/* stack: text -> longer text */
static enum mp_line continue_text(lua_State *L) {
  lua_pushliteral(L, "\n");
  enum mp_line got = read_line(L, 0);
  if (got == MP_LINE_TEXT)
    lua_concat(L, 3);
  return got;
}

/* stack: text -> text, chunk or message.  A statement that ends with the
** input is reported as it is. */
static enum outcome load_statement(lua_State *L) {
  for (;;) {
    size_t size;
    const char *code = lua_tolstring(L, 1, &size);
    int status = luaL_loadbuffer(L, code, size, "=stdin");
    if (!is_unfinished(L, status))
      return status == LUA_OK ? READY : BAD;
    lua_insert(L, 1); /* message below the text, for the end of the input */
    enum mp_line got = continue_text(L);
    if (got == MP_LINE_STOPPED)
      return ABANDONED;
    if (got == MP_LINE_END) {
      lua_settop(L, 2);
      lua_insert(L, 1);
      return BAD;
    }
    lua_remove(L, 1);
  }
}

/* Leaves chunk or message on top of an otherwise empty stack. */
static enum outcome read_chunk(lua_State *L) {
  lua_settop(L, 0);
  enum mp_line got = read_line(L, 1);
  if (got != MP_LINE_TEXT)
    return got == MP_LINE_END ? ENDED : ABANDONED;
  rewrite_equals(L);
  enum outcome outcome = load_expression(L) ? READY : load_statement(L);
  if (outcome != ABANDONED) {
    mp_line_save(lua_tostring(L, 1));
    lua_remove(L, 1);
  }
  return outcome;
}

/* Calls the global `print` with what is on the stack. */
static void print_results(lua_State *L) {
  int n = lua_gettop(L);
  if (n == 0)
    return;
  luaL_checkstack(L, LUA_MINSTACK, "too many results to print");
  lua_getglobal(L, "print");
  lua_insert(L, 1);
  if (lua_pcall(L, n, 0, 0) == LUA_OK)
    return;
  const char *message = lua_tostring(L, -1);
  lua_pushfstring(L, "error calling 'print' (%s)",
                  message != NULL ? message : luaL_typename(L, -1));
  mp_report_message(lua_tostring(L, -1));
}

static void run_chunk(lua_State *L) {
  int status = mp_run_call(L, 0, LUA_MULTRET);
  if (status == LUA_OK)
    print_results(L);
  mp_report(L, status);
}

void mp_repl(lua_State *L) {
  enum outcome outcome;
  mp_report_prefix(0);
  mp_line_init(L);
  while ((outcome = read_chunk(L)) != ENDED) {
    if (outcome == READY)
      run_chunk(L);
    else if (outcome == BAD)
      mp_report(L, LUA_ERRSYNTAX);
  }
  lua_settop(L, 0);
  mp_line_fini();
  fputs("\n", stdout);
  fflush(stdout);
  mp_report_prefix(1);
}
