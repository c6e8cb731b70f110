/*
** text.c: small files of /proc and /sys, read without stdio
** MIT licence, see LICENSE
*/

#include "os/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "os/fd.h"

int mp_text_read(const char *path, char *buf, size_t room) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return -errno;
  size_t len = 0;
  while (len < room - 1) {
    ssize_t got = mp_fd_read(fd, buf + len, room - 1 - len);
    if (got == -EINTR)
      continue;
    if (got <= 0)
      break;
    len += (size_t)got;
  }
  mp_fd_close(fd);
  buf[len] = '\0';
  return (int)len;
}

int mp_text_field(const char *text, const char *name, uint64_t *out) {
  size_t n = strlen(name);
  for (const char *line = text; line != NULL && *line != '\0';) {
    if (strncmp(line, name, n) == 0) {
      *out = strtoull(line + n, NULL, 10);
      return 1;
    }
    line = strchr(line, '\n');
    line = line ? line + 1 : NULL;
  }
  return 0;
}
