/*
** buf.c: a growing byte buffer in private memory
** MIT licence, see LICENSE
*/

#include "base/buf.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

enum { SMALLEST = 256 };

void mp_buf_init(struct mp_buf *b) {
  b->data = NULL;
  b->len = 0;
  b->cap = 0;
}

void mp_buf_fini(struct mp_buf *b) {
  free(b->data);
  mp_buf_init(b);
}

int mp_buf_grow(struct mp_buf *b, size_t more) {
  if (more > SIZE_MAX / 2 - b->len)
    return -ENOMEM;
  size_t cap = b->cap < SMALLEST ? SMALLEST : b->cap;
  while (cap - b->len < more)
    cap += cap / 2;
  unsigned char *data = realloc(b->data, cap);
  if (data == NULL)
    return -ENOMEM;
  b->data = data;
  b->cap = cap;
  return 0;
}
