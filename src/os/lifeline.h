/*
** lifeline.h: a pipe that kills its reader when the writer is gone
** MIT licence, see LICENSE
**
** The parent holds the write end and never writes; the child arms the read
** end: when the last copy of the write end is closed, the kernel sends the
** child a signal.  It means the parent *process*, not the thread that forked
** (as PR_SET_PDEATHSIG does), reaches endless loops, and needs no thread.
** The write end must not live on in siblings.  One pipe a child: owner and
** signal belong to the open file description.
*/

#ifndef MP_OS_LIFELINE_H
#define MP_OS_LIFELINE_H

/* Arms the read end for this process.  0; MP_EEOF when the writer is gone
** already; a negative errno. */
int mp_lifeline_arm(int fd, int sig);

/* Another signal for the one that is armed: 0, also when there is none;
** MP_EEOF when the writer is gone already; a negative errno. */
int mp_lifeline_change(int sig);

/* Makes descriptor 0 read nothing, and forgets what stdin had buffered
** without moving the offset that the parent shares. */
int mp_stdin_close(void);

/* In the parent, beforehand: what makes mp_stdin_close cheap in every child.
** Keeps one descriptor open for good. */
int mp_stdin_prepare(void);

#endif
