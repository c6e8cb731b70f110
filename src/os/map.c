/*
** map.c: anonymous shared memory
** MIT licence, see LICENSE
*/

#include "os/map.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/memfd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "os/fd.h"

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

/* The signal comes to this thread, so it can be taken back. */
int mp_file_resize(int fd, uint64_t size) {
  static const struct timespec at_once = {0, 0};
  sigset_t xfsz, old;
  int rc = 0;
  sigemptyset(&xfsz);
  sigaddset(&xfsz, SIGXFSZ);
  pthread_sigmask(SIG_BLOCK, &xfsz, &old);
  if (ftruncate(fd, (off_t)size) != 0)
    rc = -errno;
  if (rc == -EFBIG)
    sigtimedwait(&xfsz, NULL, &at_once);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  return rc;
}

static int give_size(int fd, uint64_t size) {
  int rc = mp_file_resize(fd, size);
  if (rc < 0)
    return rc;
  return fcntl(fd, F_ADD_SEALS, SEALS) == 0 ? 0 : -errno;
}

int mp_map_create(const char *name, uint64_t size) {
  int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  fd = fd < 0 ? -errno : mp_fd_lift(fd);
  if (fd < 0)
    return fd;
  int rc = give_size(fd, size);
  if (rc < 0) {
    mp_fd_close(fd);
    return rc;
  }
  return fd;
}

/* Not in core dumps: the range is large, and a dump of it helps nobody. */
int mp_map_attach(int fd, uint64_t size, void **out) {
  void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (p == MAP_FAILED)
    return -errno;
  madvise(p, size, MADV_DONTDUMP);
  *out = p;
  return 0;
}

int mp_map_detach(void *base, uint64_t size) {
  return munmap(base, size) == 0 ? 0 : -errno;
}

int mp_map_size(int fd, uint64_t *size) {
  struct stat st;
  int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0)
    return -errno;
  if ((seals & F_SEAL_SHRINK) == 0)
    return -EINVAL;
  if (fstat(fd, &st) != 0)
    return -errno;
  *size = (uint64_t)st.st_size;
  return 0;
}

static int allocate(int fd, int mode, uint64_t off, uint64_t len) {
  while (fallocate(fd, mode, (off_t)off, (off_t)len) != 0) {
    int err = errno;
    if (err != EINTR)
      return -err;
  }
  return 0;
}

static int commit(int fd, uint64_t off, uint64_t len) {
  return allocate(fd, 0, off, len);
}

struct mp_map_ops mp_map_ops = {commit, mp_memory_available};

enum { POPULATE_WRITE = 23 }; /* not in every libc's headers */

void mp_map_touch(void *p, uint64_t len) {
  madvise(p, len, POPULATE_WRITE);
}

uint64_t mp_map_committed(int fd) {
  struct stat st;
  return fstat(fd, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

int mp_map_decommit(int fd, uint64_t off, uint64_t len) {
  return allocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, len);
}

static uint64_t limit_of(__rlimit_resource_t resource) {
  struct rlimit r;
  if (getrlimit(resource, &r) != 0 || r.rlim_cur == RLIM_INFINITY)
    return UINT64_MAX;
  return r.rlim_cur;
}

/* Half of the address space stays for everybody else in the process. */
uint64_t mp_map_range_limit(void) {
  uint64_t space = limit_of(RLIMIT_AS);
  uint64_t file = limit_of(RLIMIT_FSIZE);
  if (space != UINT64_MAX)
    space /= 2;
  return space < file ? space : file;
}
