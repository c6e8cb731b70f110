/*
** stdio.c: what a FILE has in its buffer
** MIT licence, see LICENSE
*/

#include "os/stdio.h"

#include <errno.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>
#include <wchar.h>

/* --- the buffer ----------------------------------------------------------- */

#ifdef __GLIBC__

/*
** __overflow with EOF and nothing in the buffer writes nothing, but gives the
** FILE its buffer and makes it ready for writing.  The end up to which stdio
** may just put bytes belongs to the mode; setvbuf forgets to move it.
*/
int mp_stdio_is_plain(FILE *f) {
  if (__freadable(f) || fwide(f, 0) > 0 || fileno(f) < 0)
    return 0;
  if (f->_IO_write_ptr == f->_IO_write_base)
    __overflow(f, EOF);
  if (f->_IO_write_base == NULL)
    return 0;
  f->_IO_write_end = mp_stdio_mode(f) == MP_STDIO_FULL ? f->_IO_buf_end
                                                       : f->_IO_write_base;
  return 1;
}

struct mp_span mp_stdio_pending(FILE *f) {
  struct mp_span s = {f->_IO_write_base,
                      (size_t)(f->_IO_write_ptr - f->_IO_write_base)};
  return s;
}

/* The position that stdio remembers is not the descriptor's any more. */
void mp_stdio_drop(FILE *f, size_t n) {
  size_t left = mp_stdio_pending(f).len - n;
  memmove(f->_IO_write_base, f->_IO_write_base + n, left);
  f->_IO_write_ptr = f->_IO_write_base + left;
  f->_offset = -1;
}

void mp_stdio_fail(FILE *f) {
  f->_IO_write_ptr = f->_IO_write_base;
  f->_flags |= _IO_ERR_SEEN;
}

size_t mp_stdio_size(FILE *f) {
  return (size_t)(f->_IO_buf_end - f->_IO_write_base);
}

/* The end is where the buffer begins unless stdio may just put bytes there; a
** FILE that was made line buffered later still has the end it had. */
int mp_stdio_fits(FILE *f, size_t n) {
  return f->_IO_write_end > f->_IO_write_ptr &&
         n <= (size_t)(f->_IO_write_end - f->_IO_write_ptr) && !__flbf(f);
}

#else

int mp_stdio_is_plain(FILE *f) {
  (void)f;
  return 0;
}

struct mp_span mp_stdio_pending(FILE *f) {
  struct mp_span none = {NULL, 0};
  (void)f;
  return none;
}

void mp_stdio_drop(FILE *f, size_t n) {
  (void)f;
  (void)n;
}

void mp_stdio_fail(FILE *f) {
  __fpurge(f);
}

size_t mp_stdio_size(FILE *f) {
  return __fbufsize(f);
}

int mp_stdio_fits(FILE *f, size_t n) {
  (void)f;
  (void)n;
  return 0;
}

#endif

enum mp_stdio_mode mp_stdio_mode(FILE *f) {
  if (__fbufsize(f) <= 1)
    return MP_STDIO_ATONCE;
  return __flbf(f) ? MP_STDIO_LINES : MP_STDIO_FULL;
}

/* --- writing -------------------------------------------------------------- */

ssize_t mp_spans_write(int fd, const struct mp_span *s, int n, size_t from,
                       size_t to) {
  struct iovec v[MP_SPANS_MOST];
  int used = 0;
  size_t at = 0; /* where span i begins */
  for (int i = 0; i < n && used < MP_SPANS_MOST && at < to; i++) {
    size_t skip = from > at ? from - at : 0;
    size_t len = s[i].len < to - at ? s[i].len : to - at;
    if (skip < len) {
      v[used].iov_base = (void *)(uintptr_t)(s[i].data + skip);
      v[used++].iov_len = len - skip;
    }
    at += s[i].len;
  }
  ssize_t put = used == 1 ? write(fd, v[0].iov_base, v[0].iov_len)
                          : writev(fd, v, used); /* one is dearer */
  return put < 0 ? -errno : put;
}

/*
** What goes to a regular file in one call stays together: the kernel locks the
** file, or the position that the processes share.  Devices of memory (null)
** have no lines.
*/
int mp_fd_is_tearing(int fd, uint64_t *key) {
  struct stat st;
  enum { MEMORY_DEVICES = 1 };
  if (fstat(fd, &st) < 0 || S_ISREG(st.st_mode) ||
      (S_ISCHR(st.st_mode) && major(st.st_rdev) == MEMORY_DEVICES))
    return 0;
  *key = ((uint64_t)st.st_dev * UINT64_C(0x9e3779b97f4a7c15)) ^
         ((uint64_t)st.st_ino * UINT64_C(0xc2b2ae3d27d4eb4f));
  return 1;
}
