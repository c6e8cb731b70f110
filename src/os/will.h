/*
** will.h: a file that goes when this process is told to
** MIT licence, see LICENSE
**
** A process that serves a path is mostly ended from outside: by SIGTERM from
** its parent, or because that has died.  Both come as SIGTERM then, and the
** handler removes the file before it lets the signal do its work.  A forked
** child has no will.
*/

#ifndef MP_OS_WILL_H
#define MP_OS_WILL_H

#include "os/address.h"

/* 0; -ENAMETOOLONG; MP_EEOF: the parent of this daemon is dead already. */
int mp_will_remove(const char *path, const struct mp_file_id *id);

#endif
