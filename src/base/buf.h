/*
** buf.h: a growing byte buffer in private memory
** MIT licence, see LICENSE
**
** len <= cap always; data may be NULL while cap is 0.  All sizes are 64 bit.
** A buffer that failed to grow is unchanged.
*/

#ifndef MP_BASE_BUF_H
#define MP_BASE_BUF_H

#include <stddef.h>
#include <string.h>

struct mp_buf {
  unsigned char *data;
  size_t len;
  size_t cap;
};

void mp_buf_init(struct mp_buf *b);
void mp_buf_fini(struct mp_buf *b);

/* Makes room for `more` bytes after len.  0, or -ENOMEM. */
int mp_buf_grow(struct mp_buf *b, size_t more);

static inline int mp_buf_reserve(struct mp_buf *b, size_t more) {
  return b->cap - b->len >= more ? 0 : mp_buf_grow(b, more);
}

/* Appends n bytes.  0, or -ENOMEM. */
static inline int mp_buf_put(struct mp_buf *b, const void *p, size_t n) {
  int rc = mp_buf_reserve(b, n);
  if (rc < 0)
    return rc;
  if (n > 0)
    memcpy(b->data + b->len, p, n);
  b->len += n;
  return 0;
}

#endif
