/*
** boot.c: what a newborn process does first
** MIT licence, see LICENSE
*/

#include "proc/boot.h"

#include <signal.h>

#include "os/lifeline.h"
#include "os/signal.h"
#include "os/spawn.h"
#include "proc/child.h"
#include "sync/output.h"

/*
** 1. Handlers of the parent must not act here: all actions become the default
**    ones while every signal is still blocked.
** 2. Input belongs to the parent: reading it here would move its offset.
** 3. Siblings' pidfds and lifelines: a write end kept open here would keep a
**    sibling alive after its parent's death.
** 4. The slot: from here on others see that we live, and sweep when we die.
** 5. The lifeline, armed after the slot: who is killed by it is swept.
** 6. Signals may come.
*/
int mp_boot(const struct mp_boot *b) {
  mp_signal_default_all();
  mp_stdin_close();
  mp_children_forget();
  int rc = mp_slot_enter(b->arena, b->slot);
  if (rc >= 0 && b->lifeline >= 0)
    rc = mp_lifeline_arm(b->lifeline, SIGKILL);
  mp_signal_unblock_all();
  return rc;
}

void mp_boot_exit(struct mp_arena *a, int status) {
  mp_output_flush_last(); /* ours only: the parent's went before the fork */
  mp_slot_leave(a, status);
  if (status < 0)
    mp_signal_die(-status);
  mp_exit_now(status < 0 ? 128 - status : status);
}
