/*
** shmfile.c: shared memory with a name in the system (shm_open)
** MIT licence, see LICENSE
*/

#include "os/shmfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/map.h"

enum { ROOM = NAME_MAX + 2 };

static int full_name(const char *name, char *out) {
  if (*name == '/')
    name++;
  size_t n = strlen(name);
  if (n == 0 || n > NAME_MAX || strchr(name, '/') != NULL)
    return -EINVAL;
  out[0] = '/';
  memcpy(out + 1, name, n + 1);
  return 0;
}

static int open_it(const char *path, int flags) {
  int fd;
  do
    fd = shm_open(path, flags, 0600);
  while (fd < 0 && errno == EINTR);
  return fd < 0 ? -errno : mp_fd_lift(fd);
}

static int give_size(int fd, uint64_t size) {
  if (size > INT64_MAX)
    return -ENOMEM;
  int rc = mp_file_resize(fd, size);
  if (rc < 0)
    return rc;
  return mp_map_commit(fd, 0, size); /* no SIGBUS later */
}

int mp_shmfile_create(const char *name, uint64_t size) {
  char path[ROOM];
  int rc = full_name(name, path);
  if (rc < 0)
    return rc;
  int fd = open_it(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC);
  if (fd < 0)
    return fd;
  rc = give_size(fd, size);
  if (rc == 0)
    return fd;
  shm_unlink(path);
  mp_fd_close(fd);
  return rc;
}

int mp_shmfile_open(const char *name, uint64_t *size) {
  char path[ROOM];
  struct stat st;
  int rc = full_name(name, path);
  if (rc < 0)
    return rc;
  int fd = open_it(path, O_RDWR | O_CLOEXEC);
  if (fd < 0)
    return fd;
  if (fstat(fd, &st) < 0) {
    rc = -errno;
    mp_fd_close(fd);
    return rc;
  }
  *size = (uint64_t)st.st_size;
  return fd;
}

int mp_shmfile_unlink(const char *name) {
  char path[ROOM];
  int rc = full_name(name, path);
  if (rc == 0 && shm_unlink(path) < 0)
    rc = -errno;
  return rc;
}
