/*
** error.h: codes and messages for hosts
** MIT licence, see LICENSE
*/

#ifndef MP_EMBED_ERROR_H
#define MP_EMBED_ERROR_H

#include "lua.h"

#include "mplua.h"

/* Fills in e (may be NULL) with a formatted message; returns the code. */
int mp_fail(struct mplua_error *e, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* "WHAT: meaning of the code". */
int mp_fail_code(struct mplua_error *e, int code, const char *what);

/* After a protected call that failed: the error value on top of L becomes the
** message and is popped.  -ENOMEM, the code of the library's condition
** (ClosedError, TimeoutError...), or MPLUA_ELUA.  Never raises. */
int mp_fail_lua(lua_State *L, int status, struct mplua_error *e);

#endif
