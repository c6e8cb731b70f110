/*
** spawn.h: making processes, and ending this one
** MIT licence, see LICENSE
*/

#ifndef MP_OS_SPAWN_H
#define MP_OS_SPAWN_H

#include <sys/types.h>

/* fork(2): 0 in the child, the pid, or a negative errno. */
pid_t mp_fork(void);

struct mp_spawn {
  const char *path;  /* of the program; no search */
  char *const *argv; /* ends with NULL */
  const int *fds;    /* become 3, 4, 5...; all others are closed */
  int nfds;          /* at most MP_SPAWN_FDS */
};

enum { MP_SPAWN_FDS = 16 };

/*
** Runs another program without copying this process: default signal actions
** and an empty mask, nothing to read on 0, nothing inherited but 1, 2 and what
** is named.  The pid, or a negative errno, also when the program cannot be
** executed.
*/
pid_t mp_spawn(const struct mp_spawn *s);

/* _exit: no handlers, no flushing. */
_Noreturn void mp_exit_now(int status);

#endif
