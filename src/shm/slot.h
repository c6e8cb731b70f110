/*
** slot.h: one entry for each process of the family
** MIT licence, see LICENSE
**
** A process is named across the family by its slot and the slot's generation
** (mp_proc), never by pid alone.
**
**    FREE --take--> STARTING --enter--> LIVE --leave--> ENDED --drop--> FREE
**                      |                  |                ^
**                      +---- the process is dead: sweep ---+
**
** The parent takes the slot before it makes the child, so nothing can fail
** in the newborn.  The child enters it, and publishes its exit status there
** before it ends: right also where SIGCHLD is ignored or the host reaps.
** Who finds that a LIVE (or STARTING) slot's process is dead sweeps it: what
** the dead one had in hand is freed, its handles are released.  The slot is
** kept (ENDED) until its creator has read the status and drops it, or is
** itself dead.
**
** The hand: blocks that are on their way (a message being filled, one being
** read).  The handles: references to shared objects (object.h).
*/

#ifndef MP_SHM_SLOT_H
#define MP_SHM_SLOT_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/arena.h"
#include "shm/guard.h"

enum { MP_SLOTS = 16384, MP_HAND = 32, MP_HOLDING = 8 };

/* Slot index in the low 14 bits, 16 bits of generation above; 0 is nobody
** (the generation of a used slot is never 0).  So it is less than 2^30 and
** fits beside two flag bits in a futex word. */
typedef uint32_t mp_proc;

enum mp_slot_state { MP_FREE, MP_STARTING, MP_LIVE, MP_ENDED };

/* exit status in a slot: not known (killed before it could say) */
enum { MP_STATUS_UNKNOWN = INT32_MIN };

struct mp_slot_info {
  enum mp_slot_state state;
  pid_t pid;
  uint64_t born_by;
  mp_proc creator;
  int32_t status; /* n from exit(n); MP_STATUS_UNKNOWN */
};

/* This process in the family: enters a slot of its own on first use (a root
** process, or one that the host forked by itself).  0 or MP_ENOSLOT... */
int mp_self_proc(struct mp_arena *a, mp_proc *out);

/* --- the parent's side --- */

/* Takes a slot for a child to be: STARTING, creator = this process; the
** handle table of this process is copied into it when `inherit` (fork). */
int mp_slot_take(struct mp_arena *a, int inherit, mp_proc *out);
/* Notes the pid of the newborn, so that a sweep can tell its death before it
** entered.  Idempotent with the child's own entry. */
void mp_slot_set_pid(struct mp_arena *a, mp_proc p, pid_t pid);
/* The status was read (or the start failed): sweeps if need be, frees it. */
void mp_slot_drop(struct mp_arena *a, mp_proc p);

/* The block moves from this process's hand into that of a child that is not
** born yet.  0; -EBUSY: no room in it. */
int mp_hand_give(struct mp_arena *a, mp_off block, mp_proc to);

/* For who reaps a child in its creator's place: notes the status, if the child
** has not said it itself; and for the creator: waits until one is noted.
** 0, -ETIMEDOUT, -EINTR, MP_ELOST. */
void mp_slot_note_status(struct mp_arena *a, mp_proc p, int32_t status);
int mp_slot_wait_status(struct mp_arena *a, mp_proc p, int64_t deadline);

/* --- the child's side --- */

/* Makes p this process's slot: pid, start time, LIVE.  MP_ELOST when it was
** swept before (the creator died, and this came too late); -EALREADY. */
int mp_slot_enter(struct mp_arena *a, mp_proc p);
/* Publishes the exit status, gives up hand and handles: ENDED. */
void mp_slot_leave(struct mp_arena *a, int32_t status);

/* --- anybody --- */

int mp_slot_info(struct mp_arena *a, mp_proc p, struct mp_slot_info *out);

/* Does that process still run?  1 or 0.  About 15 us: waiters ask at
** intervals, not in loops.  0 also when its slot has a newer generation. */
int mp_proc_runs(struct mp_arena *a, mp_proc p);

/* If p is dead: repairs the guards it died in, frees its hand, releases its
** handles.  1 when swept (now or before), 0 when it lives. */
int mp_slot_sweep(struct mp_arena *a, mp_proc p);
/* Sweeps every dead process; returns how many. */
int mp_slot_sweep_all(struct mp_arena *a);

/* The same for those who wait: at most one of the whole family looks within
** 40 ms, however many wait.  0 when another one did. */
int mp_slot_sweep_idle(struct mp_arena *a);

/* How long (ns) a STARTING slot whose creator died waits for a child that
** may be on its way.  A variable for tests. */
extern int64_t mp_slot_grace;

/* A user-visible word for the slot of p, for structures that keep something
** per process (semaphore units, waiters): index in 0..MP_SLOTS-1. */
static inline uint32_t mp_proc_index(mp_proc p) {
  return p & (MP_SLOTS - 1);
}

/* --- the hand --- */

/* Inside transaction g: the block leaves this process's hand (a structure
** has it now) or comes into it (-EBUSY: full). */
void mp_hand_clear(struct mp_arena *a, struct mp_guard *g, mp_off block);
int mp_hand_set(struct mp_arena *a, struct mp_guard *g, mp_off block);

#endif
