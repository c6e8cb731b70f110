/*
** clock.c: monotonic time
** MIT licence, see LICENSE
*/

#include "os/clock.h"

#include <errno.h>
#include <time.h>

int64_t mp_now(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (int64_t)ts.tv_sec * MP_SECOND + ts.tv_nsec;
}

int64_t mp_deadline_in(double seconds) {
  if (!(seconds > 0))
    return 0;
  if (seconds >= 4e9) /* 127 years */
    return MP_FOREVER;
  return mp_now() + (int64_t)(seconds * (double)MP_SECOND);
}

int mp_sleep_until(int64_t deadline) {
  struct timespec ts;
  if (deadline <= 0)
    return 0;
  ts.tv_sec = (time_t)(deadline / MP_SECOND);
  ts.tv_nsec = (long)(deadline % MP_SECOND);
  return -clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}
