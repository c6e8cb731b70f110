/*
** ticker.h: a signal for every few milliseconds of work
** MIT licence, see LICENSE
**
** The clock is this process's processor time: a process that waits gets no
** signal, so no call of its is interrupted while it sleeps.  SIGPROF.  A forked
** child has no ticker.
*/

#ifndef MP_OS_TICKER_H
#define MP_OS_TICKER_H

#include <stdint.h>

/* handler runs in the signal.  0 or a negative errno. */
int mp_ticker_start(int64_t interval, void (*handler)(int));
void mp_ticker_stop(void); /* idempotent */

#endif
