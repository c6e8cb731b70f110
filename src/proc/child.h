/*
** child.h: a process that this one has started
** MIT licence, see LICENSE
**
**    new --start--> running --end seen--> ended      release: the handle goes
**
** The children of a process are kept in one list (the family's branch that
** hangs on this process): a forked child must close what belongs to its
** siblings, and at the end of the process they are joined or terminated, also
** when Lua has lost its handles.  Death is seen through the pidfd; the exit
** status comes from the kernel, or from the child's slot where someone else
** has reaped it (SIGCHLD ignored, a host that waits for everybody).
**
** A child belongs to the process that started it: in any other process its
** handle answers -ECHILD.
*/

#ifndef MP_PROC_CHILD_H
#define MP_PROC_CHILD_H

#include <stdint.h>
#include <sys/types.h>

#include "shm/slot.h"

struct mp_child;

struct mp_child_options {
  const void *owner; /* whose end joins it: a lua_State's registry */
  int daemon;        /* ends with its parent: gets a lifeline */
  int inherit;       /* a copy of this process: it has its handles, too */
};

/* Memory for a child that is not started yet.  NULL without memory. */
struct mp_child *mp_child_new(void);

/* --- starting, in steps: begin, then one of fork.h, spawn.h, server.h, which
** end in adopt; or abort.  All: 0 or a negative code. --- */

int mp_child_begin(struct mp_child *c, struct mp_arena *a,
                   const struct mp_child_options *o);
int mp_child_lifeline(const struct mp_child *c); /* read end, or -1 */
/* In a forked child: closes the write end, gives up the read end. */
int mp_child_keep_read_end(struct mp_child *c);
void mp_child_abort(struct mp_child *c);
/* `stranger`: another process reaps it, its status comes by the slot. */
void mp_child_adopt(struct mp_child *c, pid_t pid, int pidfd, int stranger);
/* Our own child: opens its pidfd; kills it where that fails. */
int mp_child_adopt_own(struct mp_child *c, pid_t pid);

/* Has it ended?  Waits until the deadline: 1, 0, -EINTR, -ECHILD. */
int mp_child_wait(struct mp_child *c, int64_t deadline);

/* After its end: n from exit(n), -n from signal n. */
int mp_child_status(const struct mp_child *c);

/* 0, also after its end (nobody is hit then); a negative errno. */
int mp_child_signal(struct mp_child *c, int sig);

pid_t mp_child_pid(const struct mp_child *c);
mp_proc mp_child_proc(const struct mp_child *c);
int mp_child_is_daemon(const struct mp_child *c);

/* The pidfd, readable after the end; it stays open until release.  Children
** whose sentinel nobody asked for give it back when they end; who asks then
** gets an eventfd that is always readable.  -ECHILD: another's child. */
int mp_child_sentinel(struct mp_child *c);

/* The handle goes.  A running child runs on, and is still joined or
** terminated at the end of this process. */
void mp_child_release(struct mp_child *c);

/* A descriptor that goes with the child: closed at its end, and in forked
** children; -1: none. */
void mp_child_keep(struct mp_child *c, int fd);
int mp_child_kept(const struct mp_child *c);

/* --- the end of this process, and others that need all children --- */

/* A server is a child that keeps a descriptor: it must outlive the others, for
** only it can tell how they ended. */
enum mp_child_kind {
  MP_CHILD_PLAIN = 1,
  MP_CHILD_DAEMON = 2,
  MP_CHILD_ANY = 3, /* but a server */
  MP_CHILD_SERVER = 4
};

/* Signals all running children of that kind, the youngest first. */
void mp_children_signal(const void *owner, int kind, int sig);

/* Waits for all of them: 1 when none is left, 0 on timeout, -EINTR. */
int mp_children_wait(const void *owner, int kind, int64_t deadline);

/* In a forked child: closes what belongs to the siblings. */
void mp_children_forget(void);

#endif
