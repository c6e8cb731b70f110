/*
** map.h: anonymous shared memory
** MIT licence, see LICENSE
*/

#ifndef MP_OS_MAP_H
#define MP_OS_MAP_H

#include <stddef.h>
#include <stdint.h>

/* ftruncate.  More than RLIMIT_FSIZE allows is -EFBIG, without the SIGXFSZ
** that would end the process. */
int mp_file_resize(int fd, uint64_t size);

/* A sparse memfd of `size` bytes, sealed against shrinking, growing and
** further seals.  The fd, or a negative errno. */
int mp_map_create(const char *name, uint64_t size);

/* Maps all of it shared, without reserving memory.  0 or a negative errno. */
int mp_map_attach(int fd, uint64_t size, void **out);
int mp_map_detach(void *base, uint64_t size);

/* Size and seals of a memfd that came from elsewhere.  -EINVAL without the
** shrink seal. */
int mp_map_size(int fd, uint64_t *size);

/* What may fail for want of memory goes through here, so that tests can make
** it fail. */
struct mp_map_ops {
  int (*commit)(int fd, uint64_t off, uint64_t len);
  uint64_t (*available)(void);
};

extern struct mp_map_ops mp_map_ops;

/* Gives [off, off+len) real pages, so that no later touch can fail with
** SIGBUS; -ENOMEM/-ENOSPC when the machine has none to give.  Retries EINTR. */
static inline int mp_map_commit(int fd, uint64_t off, uint64_t len) {
  return mp_map_ops.commit(fd, off, len);
}

/* Gives the pages back to the kernel. */
int mp_map_decommit(int fd, uint64_t off, uint64_t len);

/* Maps committed pages into this process at once: half the price of touching
** them one by one.  Advice: where the kernel does not know it (before 5.14),
** nothing happens. */
void mp_map_touch(void *p, uint64_t len);

/* Bytes that have pages now. */
uint64_t mp_map_committed(int fd);

/* Bytes that the machine (MemAvailable) and this process's memory cgroup
** (v1 and v2) can still give, UINT64_MAX when unknown.  About 80 us. */
uint64_t mp_memory_available(void);

static inline uint64_t mp_map_available(void) {
  return mp_map_ops.available();
}

/* The largest address range worth asking for: what RLIMIT_AS and
** RLIMIT_FSIZE leave. */
uint64_t mp_map_range_limit(void);

#endif
