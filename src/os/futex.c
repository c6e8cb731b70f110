/*
** futex.c: sleeping on a word that processes share
** MIT licence, see LICENSE
*/

#include "os/futex.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "os/clock.h"

/* FUTEX_WAIT_BITSET is the form that takes an absolute monotonic time. */
static int futex_wait(_Atomic uint32_t *word, uint32_t seen,
                      int64_t deadline) {
  struct timespec ts;
  if (deadline < 0)
    deadline = 0;
  ts.tv_sec = (time_t)(deadline / MP_SECOND);
  ts.tv_nsec = (long)(deadline % MP_SECOND);
  long rc = syscall(SYS_futex, word, FUTEX_WAIT_BITSET, seen,
                    deadline == MP_FOREVER ? NULL : &ts, NULL,
                    FUTEX_BITSET_MATCH_ANY);
  if (rc == 0)
    return 0;
  int err = errno;
  return err == EAGAIN ? 0 : -err;
}

static int futex_wake(_Atomic uint32_t *word, int n) {
  long rc = syscall(SYS_futex, word, FUTEX_WAKE, n, NULL, NULL, 0);
  return rc < 0 ? -errno : (int)rc;
}

struct mp_futex_ops mp_futex_ops = {futex_wait, futex_wake};
