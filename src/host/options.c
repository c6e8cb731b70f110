/*
** options.c: the command line
** MIT licence, see LICENSE
**
** It is read twice: first as a whole, before there is a Lua state, so that a
** mistake in it has no effect but a message; then -e, -l and -W are done.
*/

#include "host/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/report.h"
#include "host/run.h"

/* --- reading -------------------------------------------------------------- */

/* Does this option take a value ("-e stat", "-estat")? */
static int takes_value(const char *arg) {
  return arg[1] == 'e' || arg[1] == 'l';
}

/* Notes a one-letter option that takes no value; 0 when there is none such. */
static int note_switch(struct mp_options *o, const char *arg) {
  if (arg[2] != '\0')
    return 0;
  switch (arg[1]) {
  case 'E':
    o->no_env = 1;
    return 1;
  case 'W': /* done in its turn by mp_options_run */
    return 1;
  case 'i':
    o->interactive = o->version = 1;
    return 1;
  case 'v':
    o->version = 1;
    return 1;
  default:
    return 0;
  }
}

/* The index of the last argument that belongs to the option at i, or a
** negative code. */
static int read_option(struct mp_options *o, int i) {
  const char *arg = o->argv[i];
  if (!takes_value(arg))
    return note_switch(o, arg) ? i : -EINVAL;
  o->execute |= arg[1] == 'e';
  if (arg[2] != '\0')
    return i;
  const char *value = i + 1 < o->argc ? o->argv[i + 1] : NULL;
  return value != NULL && value[0] != '-' ? i + 1 : -EINVAL;
}

int mp_options_parse(struct mp_options *o, int argc, char **argv) {
  *o = (struct mp_options){.argc = argc, .argv = argv, .script = argc};
  for (int i = 1; i < argc; i++) {
    const char *arg = argv[i];
    o->script = i;
    if (arg[0] != '-' || arg[1] == '\0')
      return 0; /* a script, or "-" for standard input */
    if (strcmp(arg, "--") == 0) {
      o->script = i + 1;
      return 0;
    }
    i = read_option(o, i);
    if (i < 0)
      return i;
  }
  o->script = argc;
  return 0;
}

void mp_options_usage(const char *bad) {
  const char *name = mp_report_progname();
  const char *problem = bad[1] == 'e' || bad[1] == 'l'
                          ? "'%s' needs argument\n"
                          : "unrecognized option '%s'\n";
  fprintf(stderr, "%s: ", name);
  fprintf(stderr, problem, bad);
  fprintf(stderr,
          "usage: %s [options] [script [args]]\n"
          "options:\n"
          "  -e code   run this code\n"
          "  -l mod    require a module, kept in the global 'mod'\n"
          "  -l g=mod  require a module, kept in the global 'g'\n"
          "  -i        go on at the prompt after the script\n"
          "  -v        show the versions\n"
          "  -W        turn warnings on\n"
          "  -E        take nothing from the environment\n"
          "  --        end of the options\n"
          "  -         end of the options; run standard input\n",
          name);
  fflush(stderr);
}

/* --- doing ---------------------------------------------------------------- */

int mp_options_run(lua_State *L, const struct mp_options *o) {
  int status = LUA_OK;
  for (int i = 1; i < o->script && status == LUA_OK; i++) {
    const char *arg = o->argv[i];
    if (arg[1] == 'W')
      lua_warning(L, "@on", 0);
    if (!takes_value(arg))
      continue;
    const char *value = arg[2] != '\0' ? arg + 2 : o->argv[++i];
    status = arg[1] == 'e' ? mp_run_string(L, value, "=(command line)")
                           : mp_run_library(L, value);
  }
  return status;
}
