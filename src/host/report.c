/*
** report.c: what the interpreter says about itself and about errors
** MIT licence, see LICENSE
*/

#include "host/report.h"

#include <stdio.h>
#include <string.h>

#include "lauxlib.h"

#include "bind/interrupt.h"
#include "mplua.h"

static const char *progname = "mplua";
static int prefix = 1;
static int interrupted;

void mp_report_name(const char *argv0) {
  const char *slash = argv0 != NULL ? strrchr(argv0, '/') : NULL;
  const char *base = slash != NULL ? slash + 1 : argv0;
  if (base != NULL && base[0] != '\0')
    progname = base;
}

const char *mp_report_progname(void) {
  return progname;
}

void mp_report_prefix(int on) {
  prefix = on;
}

void mp_report_message(const char *message) {
  fprintf(stderr, "%s%s%s\n", prefix ? progname : "", prefix ? ": " : "",
          message); /* in one call, lest others write in between */
  fflush(stderr);
}

void mp_report_version(void) {
  printf("mplua %s, %s\n", mplua_version(), LUA_COPYRIGHT);
  fflush(stdout);
}

/* Is this the message of an interrupt, with or without a traceback? */
static int is_interrupt(const char *message) {
  static const char words[] = "interrupted!";
  size_t line = strcspn(message, "\n");
  size_t n = sizeof words - 1;
  return line >= n && memcmp(message + line - n, words, n) == 0;
}

/*
** A Ctrl-C that the script caught, and that it then fails for other reasons,
** is no interrupt; nor is one that only the error message speaks of.  One
** Ctrl-C is reported once, though both the script and its end may raise it.
*/
int mp_report(lua_State *L, int status) {
  if (status == LUA_OK)
    return status;
  const char *message = lua_tostring(L, -1);
  if (message == NULL)
    message = "(error message not a string)";
  int again = prefix && interrupted;
  if (prefix && mp_interrupt_seen() && is_interrupt(message))
    interrupted = 1;
  if (!again || !is_interrupt(message))
    mp_report_message(message);
  lua_pop(L, 1);
  return status;
}

int mp_report_interrupted(void) {
  return interrupted;
}

/* Is it one of our conditions?  They are strange to nobody who gets them,
** but without a traceback nobody would know where they come from. */
static int is_condition(lua_State *L, int arg) {
  if (luaL_getmetafield(L, arg, "__name") != LUA_TSTRING)
    return 0;
  int is = strcmp(lua_tostring(L, -1), "multiprocessing.Error") == 0;
  lua_pop(L, 1);
  return is;
}

/* The object in words; with or without a traceback is `lua`'s custom. */
static const char *words_for(lua_State *L, int *complete) {
  *complete = 0;
  if (lua_tostring(L, 1) != NULL)
    return lua_tostring(L, 1);
  if (!luaL_callmeta(L, 1, "__tostring") || lua_type(L, -1) != LUA_TSTRING)
    return lua_pushfstring(L, "(error object is a %s value)",
                           luaL_typename(L, 1));
  *complete = !is_condition(L, 1);
  return lua_tostring(L, -1);
}

int mp_report_traceback(lua_State *L) {
  int complete;
  const char *message = words_for(L, &complete);
  if (!complete)
    luaL_traceback(L, L, message, 1);
  return 1;
}
