/*
** text.h: small files of /proc and /sys, read without stdio
** MIT licence, see LICENSE
**
** No malloc, no locale, no lock: also for a newborn process.
*/

#ifndef MP_OS_TEXT_H
#define MP_OS_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Reads up to room-1 bytes of a file and ends them with NUL.  The number of
** bytes, or a negative errno. */
int mp_text_read(const char *path, char *buf, size_t room);

/* The unsigned number after `name` in text ("MemAvailable:  12").  1 found. */
int mp_text_field(const char *text, const char *name, uint64_t *out);

/*
** Where this process's cgroup for `controller` is mounted ("cpu", "memory"):
** the directory in `dir` and how many of its leading bytes are the mount
** point, for walking up.  version is 1 or 2.  0 or a negative errno.
*/
struct mp_cgroup {
  char dir[1024];
  size_t root; /* length of the mount point */
  int version;
};
int mp_cgroup_find(const char *controller, struct mp_cgroup *out);

/* Moves to the parent group; 0 when it was the root. */
int mp_cgroup_up(struct mp_cgroup *g);

/* Reads dir/name.  As mp_text_read. */
int mp_cgroup_read(const struct mp_cgroup *g, const char *name, char *buf,
                   size_t room);

#endif
