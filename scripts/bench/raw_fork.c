/*
** raw_fork.c: what fork and waitpid cost by themselves
** MIT licence, see LICENSE
**
** usage: raw_fork COUNT AT_ONCE; prints seconds a process
*/

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  int count = argc > 1 ? atoi(argv[1]) : 500;
  int at_once = argc > 2 ? atoi(argv[2]) : 1;
  double start = now();
  for (int i = 0; i < count; i += at_once) {
    pid_t pids[1024];
    for (int k = 0; k < at_once; k++) {
      pids[k] = fork();
      if (pids[k] == 0)
        _exit(0);
    }
    for (int k = 0; k < at_once; k++)
      waitpid(pids[k], NULL, 0);
  }
  printf("%.9f\n", (now() - start) / count);
  return 0;
}
