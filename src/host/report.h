/*
** report.h: what the interpreter says about itself and about errors
** MIT licence, see LICENSE
*/

#ifndef MP_HOST_REPORT_H
#define MP_HOST_REPORT_H

#include "lua.h"

/* Sets the name that messages begin with, from argv[0] (may be NULL). */
void mp_report_name(const char *argv0);
const char *mp_report_progname(void);

/* At the prompt messages have no name in front. */
void mp_report_prefix(int on);

/* "mplua: MESSAGE" to stderr. */
void mp_report_message(const char *message);

/* mplua's version and Lua's, to stdout. */
void mp_report_version(void);

/* Reports and pops the error of a call that ended with this status, if it is
** one.  Returns status. */
int mp_report(lua_State *L, int status);

/* Was one of the reported errors, not at the prompt, an uncaught Ctrl-C? */
int mp_report_interrupted(void);

/* A message handler: gives error objects that are no strings words, and adds
** a traceback, but not to what an object's own __tostring says (unless it is
** one of our conditions). */
int mp_report_traceback(lua_State *L);

#endif
