/*
** clock.h: monotonic time
** MIT licence, see LICENSE
**
** A deadline is an absolute time of CLOCK_MONOTONIC in nanoseconds; waiting
** calls take deadlines, so that no retry can lengthen a timeout.
*/

#ifndef MP_OS_CLOCK_H
#define MP_OS_CLOCK_H

#include <stdint.h>

#define MP_FOREVER INT64_MAX
#define MP_SECOND  INT64_C(1000000000)
#define MP_MS      INT64_C(1000000)

int64_t mp_now(void); /* nanoseconds; any thread, signal handlers too */

/* now + seconds; saturates at MP_FOREVER; <= 0 gives the past (0). */
int64_t mp_deadline_in(double seconds);

/* Sleeps until the deadline.  0, or -EINTR when a signal handler ran. */
int mp_sleep_until(int64_t deadline);

#endif
