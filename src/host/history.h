/*
** history.h: what was typed at the prompt, kept in a file
** MIT licence, see LICENSE
**
** The file is $MPLUA_HISTORY, or ~/.mplua_history; none when MPLUA_HISTORY is
** empty.  A statement of several lines is one entry.
*/

#ifndef MP_HOST_HISTORY_H
#define MP_HOST_HISTORY_H

void mp_history_init(void);
void mp_history_add(const char *text);
void mp_history_fini(void);

#endif
