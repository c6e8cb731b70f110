/*
** server.h: the forkserver, and its clients
** MIT licence, see LICENSE
**
** A clean, single-threaded process that forks on request.  It is a spawned,
** daemonic child of the process that uses it, and they speak over a socket
** pair that has no name: a request of fixed size with the lifeline's read
** end beside it, an answer with the pidfd of the newborn beside it.  The
** pidfd is opened before the newborn can be reaped, so it cannot mean a
** stranger.  The newborn is the server's child: the server reaps it and
** notes its status in its slot.
*/

#ifndef MP_PROC_SERVER_H
#define MP_PROC_SERVER_H

#include "proc/child.h"
#include "proc/spawn.h"

/* --- the client's side --- */

/*
** Asks the server behind `sock` to fork the child that mp_child_begin
** prepared: 0; MP_ELOST when the server is dead (the child is still
** prepared).
*/
int mp_child_request(struct mp_child *c, int sock, const struct mp_birth *b);

/*
** Waits for the answer: a server that still loads its modules takes its time.
** 0; MP_ELOST and -EINTR leave the child prepared, other codes: aborted.  A
** server whose answer is not waited for is of no more use.
*/
int mp_child_answer(struct mp_child *c, int sock);

/* --- the server's side --- */

struct mp_server;

struct mp_server *mp_server_new(struct mp_arena *a, int sock);

/*
** Serves until a newborn must run: 1 in the newborn, which has passed boot.h's
** list, with *b filled in.  0 in the server, when its client is gone; a
** negative code when it cannot go on.
*/
int mp_server_run(struct mp_server *s, struct mp_birth *b);

#endif
