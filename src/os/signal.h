/*
** signal.h: signal dispositions and masks of this process
** MIT licence, see LICENSE
*/

#ifndef MP_OS_SIGNAL_H
#define MP_OS_SIGNAL_H

#include <signal.h>

void mp_signal_block_all(sigset_t *old);
void mp_signal_restore(const sigset_t *old);
void mp_signal_unblock_all(void);

/* Every signal gets its default action, ignored ones too.  Only an ignored
** SIGHUP stays ignored: what was started under nohup is to outlive the
** terminal with all its children. */
void mp_signal_default_all(void);
void mp_signal_defaults(sigset_t *set); /* which those are, for a new program */

/* Default action, unblocked, sent to ourselves; returns if that did not
** end the process. */
void mp_signal_die(int sig);

/* Sends; 0 or a negative errno.  For pids that are not our children. */
int mp_signal_send(int pid, int sig);

#endif
