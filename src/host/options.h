/*
** options.h: the command line
** MIT licence, see LICENSE
*/

#ifndef MP_HOST_OPTIONS_H
#define MP_HOST_OPTIONS_H

#include "lua.h"

struct mp_options {
  int argc;
  char **argv;
  int script;      /* index of the script; argc when there is none */
  int interactive; /* -i */
  int version;     /* -v, or -i, which implies it */
  int execute;     /* -e */
  int no_env;      /* -E */
};

/* 0; or -EINVAL, then o->script is the index of the bad argument. */
int mp_options_parse(struct mp_options *o, int argc, char **argv);

/* Says on stderr what is wrong with that argument, and what there is. */
void mp_options_usage(const char *bad);

/* Does -e, -l and -W in their order; the first failure is reported, ends it
** and is returned, as a status of Lua's. */
int mp_options_run(lua_State *L, const struct mp_options *o);

#endif
