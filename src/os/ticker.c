/*
** ticker.c: a signal for every few milliseconds of work
** MIT licence, see LICENSE
*/

#include "os/ticker.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

static struct sigaction before;
static int started;

static int set_timer(int64_t ns) {
  struct itimerval every;
  every.it_interval.tv_sec = 0;
  every.it_interval.tv_usec = (suseconds_t)(ns / 1000);
  every.it_value = every.it_interval;
  return setitimer(ITIMER_PROF, &every, NULL) < 0 ? -errno : 0;
}

/* SA_RESTART: what other libraries call is not disturbed. */
int mp_ticker_start(int64_t interval, void (*handler)(int)) {
  struct sigaction sa;
  memset(&sa, 0, sizeof sa);
  sa.sa_handler = handler;
  sa.sa_flags = SA_RESTART;
  sigemptyset(&sa.sa_mask);
  if (sigaction(SIGPROF, &sa, started ? NULL : &before) < 0)
    return -errno;
  started = 1;
  return set_timer(interval);
}

/* One may be pending still: it must find a handler, or it would kill. */
void mp_ticker_stop(void) {
  if (!started)
    return;
  set_timer(0);
  started = 0;
  if (before.sa_handler != SIG_DFL)
    sigaction(SIGPROF, &before, NULL);
  else
    signal(SIGPROF, SIG_IGN);
}
