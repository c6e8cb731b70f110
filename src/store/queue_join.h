/*
** queue_join.h: who took what from a joinable queue: queue.c's other half
** MIT licence, see LICENSE
**
** For each process that took messages there is an account of those it has not
** called task_done for.  The accounts are a table in a block of its own:
**
**    queue.takers --> [ proc undone ][ proc undone ] ...       ntakers of them
**
** An account with nothing undone says nothing, so anybody may have its place.
*/

#ifndef MP_STORE_QUEUE_JOIN_H
#define MP_STORE_QUEUE_JOIN_H

#include "shm/slot.h"
#include "store/queue.h"

/* Inside the guard: the account of p, NULL when it has none (or p is 0). */
struct mp_taker *mp_queue_taker(struct mp_arena *a, struct mp_queue *q,
                                mp_proc p);

/* Opens an account for p; the table grows when it is full. */
int mp_queue_open_account(struct mp_arena *a, struct mp_queue *q, mp_proc p);

/* Drops what is left in a queue that was shut down at once. */
void mp_queue_drop_all(struct mp_arena *a, struct mp_queue *q);

#endif
