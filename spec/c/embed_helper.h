/*
** embed_helper.h: what the tests of the C interface share
** MIT licence, see LICENSE
*/

#ifndef EMBED_HELPER_H
#define EMBED_HELPER_H

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mplua.h"

static int passed, failed;

static inline void check(int ok, const char *what) {
  passed += ok != 0;
  failed += ok == 0;
  if (!ok)
    printf("FAILED: %s\n", what);
}

static inline int count_fds(void) {
  int n = 0;
  DIR *d = opendir("/proc/self/fd");
  while (d != NULL && readdir(d) != NULL)
    n++;
  closedir(d);
  return n;
}

/* The first child of a process, zombies too; 0: none. */
static inline long child_of(long parent) {
  char path[64];
  long pid = 0;
  snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", parent, parent);
  FILE *f = fopen(path, "r");
  if (f == NULL || fscanf(f, "%ld", &pid) != 1)
    pid = 0;
  if (f != NULL)
    fclose(f);
  return pid;
}

static inline long first_child(void) {
  return child_of(getpid());
}

static inline void nap(void) {
  struct timespec t = {0, 2000000};
  nanosleep(&t, NULL);
}

/* Waits until no such process is left, for ten seconds at the most. */
static inline int is_gone(long pid) {
  for (int i = 0; i < 5000; i++) {
    if (pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH)
      return 1;
    nap();
  }
  return 0;
}

#endif
