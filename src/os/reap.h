/*
** reap.h: waiting for and signalling our own children, by pidfd
** MIT licence, see LICENSE
**
** Never waitpid(-1), never a SIGCHLD handler: the host may own both.  A pidfd
** cannot mean a stranger.
*/

#ifndef MP_OS_REAP_H
#define MP_OS_REAP_H

#include <stdint.h>
#include <sys/types.h>

int mp_pidfd_open(pid_t pid); /* CLOEXEC, > 2; negative errno */

/*
** Collects the child behind pidfd if it has ended.  1: reaped, *status is n
** for exit(n) or -n for signal n.  0: it still runs.  -ECHILD: somebody else
** reaped it, or SIGCHLD is ignored (ask the slot).
*/
int mp_pidfd_reap(int pidfd, int *status);

/* Waits for a child that has no pidfd; for one that was just killed. */
void mp_pid_reap(pid_t pid);

int mp_pidfd_signal(int pidfd, int sig); /* 0, -ESRCH after its end */

#endif
