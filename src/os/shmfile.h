/*
** shmfile.h: shared memory with a name in the system (shm_open)
** MIT licence, see LICENSE
**
** For unrelated programs.  A name is one component without a slash; the leading
** one that shm_open wants is added here.
*/

#ifndef MP_OS_SHMFILE_H
#define MP_OS_SHMFILE_H

#include <stdint.h>

/* Creates it with `size` zero bytes that have pages, mode 0600.  The fd, or
** -EEXIST, -EINVAL (name), -ENOSPC... and nothing is left behind. */
int mp_shmfile_create(const char *name, uint64_t size);
/* Opens one that exists; *size is what it has.  The fd, or -ENOENT... */
int mp_shmfile_open(const char *name, uint64_t *size);
int mp_shmfile_unlink(const char *name); /* 0, -ENOENT... */

#endif
