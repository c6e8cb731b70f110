/*
** fork.h: the start method that copies this process
** MIT licence, see LICENSE
*/

#ifndef MP_PROC_FORK_H
#define MP_PROC_FORK_H

#include "proc/child.h"

/*
** Forks the child that mp_child_begin prepared.  1 in the child, which has
** passed boot.h's list of resets and is LIVE in its slot; 0 in the parent;
** negative: nothing was started.  The caller has flushed what both would
** write.
*/
int mp_child_fork(struct mp_child *c, struct mp_arena *a);

#endif
