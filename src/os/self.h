/*
** self.h: who this process is, and whether others live
** MIT licence, see LICENSE
**
** A process is named by its pid and a time by which it was born: a stranger
** that gets the same pid later is born later than that.  kill(pid, 0) calls a
** zombie alive, so it is not used.
*/

#ifndef MP_OS_SELF_H
#define MP_OS_SELF_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* getpid, kept in memory; right after any fork(2) of libc, foreign ones
** too (an atfork handler forgets it). */
pid_t mp_self_pid(void);

/* Start time in clock ticks since boot, from /proc; 0 or negative: -ESRCH
** when there is none, or it is a zombie. */
int mp_proc_start_time(pid_t pid, uint64_t *out);

/* Now, on the clock of start times: this process was born by then, and nobody
** else will get its pid before it ends.  A few nanoseconds; no system call. */
uint64_t mp_self_born_by(void);

/* Does the process with that pid that was born by then still run?  1 or 0; a
** zombie does not.  When it cannot be known (no /proc), it is taken to be
** alive unless kill(2) says ESRCH. */
int mp_proc_is_alive(pid_t pid, uint64_t born_by);

/* A cheap look (0.3 us): 0 when that pid is certainly nobody's; 1 also for
** zombies and for strangers that got the pid since. */
int mp_proc_may_live(pid_t pid);

/* Was it stopped, by a signal or a debugger? */
int mp_proc_is_stopped(pid_t pid);

int mp_self_thread_count(void); /* threads of this process, at least 1 */
int mp_cpu_count(void); /* usable: affinity and cgroup v1/v2 quota, >= 1 */

/* 32 random bytes and the like.  0 or a negative errno. */
int mp_random(void *p, size_t n);

#endif
