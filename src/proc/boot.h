/*
** boot.h: what a newborn process does first
** MIT licence, see LICENSE
*/

#ifndef MP_PROC_BOOT_H
#define MP_PROC_BOOT_H

#include "shm/slot.h"

struct mp_boot {
  struct mp_arena *arena;
  mp_proc slot;
  int lifeline; /* read end, or -1 */
};

/* The list of resets, in order.  Called with all signals blocked; returns with
** none blocked.  0, or a negative code: then the child must leave. */
int mp_boot(const struct mp_boot *b);

/* Publishes the status in the slot, flushes, ends the process: by _exit, or
** by the signal when status is negative. */
_Noreturn void mp_boot_exit(struct mp_arena *a, int status);

#endif
