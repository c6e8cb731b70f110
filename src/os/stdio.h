/*
** stdio.h: what a FILE has in its buffer
** MIT licence, see LICENSE
**
** stdio empties a full buffer in the middle of a line.  With these functions a
** caller takes out of the buffer what it wants and writes that itself; the
** rest stays, and the FILE works on as if nothing had happened.  Elsewhere
** than with glibc no FILE is plain, and stdio does as it likes.
**
** The caller has locked the FILE (flockfile) where there may be threads.
*/

#ifndef MP_OS_STDIO_H
#define MP_OS_STDIO_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct mp_span {
  const char *data;
  size_t len;
};

/* When does what is put into the buffer go out? */
enum mp_stdio_mode { MP_STDIO_FULL, MP_STDIO_LINES, MP_STDIO_ATONCE };

/* Is it for writing only, of bytes, to a descriptor?  Sees to it that it has a
** buffer: the others are for plain ones only, but for mp_stdio_fits. */
int mp_stdio_is_plain(FILE *f);

enum mp_stdio_mode mp_stdio_mode(FILE *f);
size_t mp_stdio_size(FILE *f); /* of the whole buffer */

/* Is there room in the buffer, which nothing makes go out? */
int mp_stdio_fits(FILE *f, size_t n);

/* What waits in the buffer; valid until the next call. */
struct mp_span mp_stdio_pending(FILE *f);

/* The first n bytes of that were written, and perhaps more than stdio knows. */
void mp_stdio_drop(FILE *f, size_t n);

/* As after a failed write: all that waits is given up, ferror is true. */
void mp_stdio_fail(FILE *f);

enum { MP_SPANS_MOST = 32 };

/* One write of the bytes from..to of these spans laid end to end.  The
** number written, or a negative errno. */
ssize_t mp_spans_write(int fd, const struct mp_span *s, int n, size_t from,
                       size_t to);

/* Can lines of several processes get into each other there, even if each is
** one write(2)?  Pipes, sockets, terminals.  *key names the file. */
int mp_fd_is_tearing(int fd, uint64_t *key);

#endif
