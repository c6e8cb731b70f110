/*
** line.h: one line from the person at the prompt
** MIT licence, see LICENSE
**
** From a terminal with readline: editing, history, completion of names.
** From anything else the line as it comes, after the bare prompt.
*/

#ifndef MP_HOST_LINE_H
#define MP_HOST_LINE_H

#include "lua.h"

enum mp_line {
  MP_LINE_TEXT,    /* a line was pushed, without its newline */
  MP_LINE_END,     /* end of file */
  MP_LINE_STOPPED  /* Ctrl-C: what was typed so far is void */
};

void mp_line_init(lua_State *L);
void mp_line_fini(void);

enum mp_line mp_line_read(lua_State *L, const char *prompt);

/* Remembers a whole statement (it may have several lines). */
void mp_line_save(const char *text);

#endif
