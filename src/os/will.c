/*
** will.c: a file that goes when this process is told to
** MIT licence, see LICENSE
*/

#include "os/will.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "os/lifeline.h"
#include "os/signal.h"

static char path_of[128];
static struct mp_file_id file;
static pid_t owner;

/* lstat and unlink may be called here. */
static void carry_out(int sig) {
  if (getpid() == owner)
    mp_address_remove(path_of, &file);
  mp_signal_die(sig);
}

int mp_will_remove(const char *path, const struct mp_file_id *id) {
  size_t n = strlen(path);
  struct sigaction sa;
  if (n >= sizeof path_of)
    return -ENAMETOOLONG;
  owner = 0; /* a signal that comes now finds no half a path */
  memcpy(path_of, path, n + 1);
  file = *id;
  owner = getpid();
  memset(&sa, 0, sizeof sa);
  sa.sa_handler = carry_out;
  sigemptyset(&sa.sa_mask);
  sigaction(SIGTERM, &sa, NULL);
  return mp_lifeline_change(SIGTERM);
}
