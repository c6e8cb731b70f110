/*
** memory.c: SharedMemory: bytes
** MIT licence, see LICENSE
*/

#include "store/memory.h"

#include <errno.h>

#include "os/fd.h"
#include "os/map.h"
#include "os/shmfile.h"

int mp_memory_map(const char *name, int create, uint64_t *size, void **out) {
  uint64_t have = *size;
  int fd = create ? mp_shmfile_create(name, have)
                  : mp_shmfile_open(name, &have);
  if (fd < 0)
    return fd;
  int rc = have == 0 ? -EINVAL : mp_map_attach(fd, have, out);
  mp_fd_close(fd);
  if (rc < 0 && create)
    mp_shmfile_unlink(name);
  if (rc == 0)
    *size = have;
  return rc;
}

void mp_memory_unmap(void *data, uint64_t size) {
  mp_map_detach(data, size);
}
