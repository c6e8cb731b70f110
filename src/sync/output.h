/*
** output.h: lines of several processes in one file
** MIT licence, see LICENSE
**
** What a call writes goes out in whole lines.  To a regular file that is one
** write(2), which the kernel keeps together.  Pipes keep together what is
** short (PIPE_BUF), terminals what no signal interrupts: there, whoever writes
** holds a lock, which lies in the arena's root, one of a few, chosen by the
** file:
**
**   root:  [ lock, whose | lock, whose | ... ]        MP_OUTPUTS entries
**
** A holder may be blocked for long, by a reader that does not read; so would
** be the others.  But nobody waits for
**   - the dead (lock.h);
**   - a stopped process: its lock is taken over;
**   - who writes to another file that happens to have the same lock: `whose`
**     tells, and the writing is done without it.
** Who has lost the lock meanwhile takes it again before it writes on.
*/

#ifndef MP_SYNC_OUTPUT_H
#define MP_SYNC_OUTPUT_H

#include <stdio.h>

#include "os/stdio.h"
#include "shm/arena.h"

enum { MP_OUTPUT_SPANS = 16 }; /* of the text of one call */

/* What is still to be written or put into the buffer. */
struct mp_text {
  int n;
  struct mp_span span[MP_OUTPUT_SPANS];
};

/* Asked when a signal came: shall the call return -EINTR? */
typedef int mp_output_stop(void *ctx);

enum { MP_OUTPUT_FLUSH = 1 };

/*
** Puts the text into a plain FILE, and writes what must go out: everything for
** MP_OUTPUT_FLUSH and unbuffered FILEs; up to the last line's end from line
** buffers, and from others when they have no room.
** 0; -EINTR: call again with the text as it is left; another negative errno:
** the write failed, what waited in the buffer is lost as it is with stdio.
** `stop` NULL: any signal stops it.
*/
int mp_output_put(FILE *f, struct mp_text *text, int flags,
                  mp_output_stop *stop, void *ctx);

/* Flushes stdout and stderr in whole lines, then all others.  For the end of
** a process: what cannot be written is given up. */
void mp_output_flush_last(void);

#endif
