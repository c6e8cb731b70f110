/*
** isolate.h: what a process may still do: limits, privileges, descendants
** MIT licence, see LICENSE
**
** For a process that is about to run what nobody trusts, and for the one that
** watches it.  All change the calling process for good.
*/

#ifndef MP_OS_ISOLATE_H
#define MP_OS_ISOLATE_H

#include <stdint.h>
#include <sys/types.h>

/* 0 is no limit everywhere.  Where the process has a stricter limit already,
** that one stays. */
struct mp_limits {
  double cpu; /* seconds; SIGPROF, later SIGXCPU, then SIGKILL */
  uint64_t address_space; /* bytes */
  uint64_t file_size; /* bytes of one file; a longer one is EFBIG */
  uint32_t fds;       /* descriptors below this number */
  uint32_t processes; /* of this user; root has no such limit */
};

/* 0, or a negative errno and the limit's name in *what.  No core dumps. */
int mp_limits_apply(const struct mp_limits *l, const char **what);

/* A session of its own: no terminal, no signals of its parent's group. */
int mp_isolate_session(void);

/* Standard output and error go to fd, which is closed; -1: to nobody. */
int mp_isolate_output(int fd);

/* SIGKILL when the parent ends.  -ESRCH when it has ended already.  The
** parent must have one thread only. */
int mp_isolate_die_with(pid_t parent);

/* Where the machine's memory is short, the kernel is to kill this process. */
void mp_isolate_go_first(void);

/* No set-uid program gives it any privilege. */
int mp_isolate_no_new_privileges(void);

/* What the environment holds can not be read by this process any more, not
** in /proc either. */
void mp_isolate_wipe_environment(void);

/* --- for the one that watches --------------------------------------------- */

/* Orphans among the descendants become its children. */
int mp_reaper_become(void);

struct mp_usage {
  int status; /* of the first child: n from exit(n), -n from signal n */
  int64_t user_us, system_us; /* of all descendants that were reaped */
  int64_t max_rss;            /* bytes, of the largest of them */
};

/*
** Kills `first` and all other descendants and reaps them; how `first` ended,
** also if that was by itself.  Descendants that multiply faster than they are
** killed are given up after a second: -ETIMEDOUT, all else is filled in.
*/
int mp_reaper_end(pid_t first, struct mp_usage *out);

#endif
