/*
** hostile.c: what a host may do to a library, as a preloaded library
** MIT licence, see LICENSE
**
** HOSTILE=WORD[,WORD...] in the environment says what:
**
**   alarm    a signal every millisecond whose handler restarts no call
**   clock    the wall clock jumps a day ahead and back at each look
**   reaper   a SIGCHLD handler that reaps every child there is
**   threads  four threads that hold the locks of malloc and stdio by turns
**   nosys=N  the system call with number N fails with ENOSYS
**   eperm=N  it fails with EPERM, as in some containers
*/

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int jumping;

static long jump(void) {
  static unsigned looks;
  return !jumping ? 0 : looks++ % 2 == 0 ? 86400 : -86400;
}

int clock_gettime(clockid_t id, struct timespec *ts) {
  long rc = syscall(SYS_clock_gettime, id, ts);
  if (rc == 0 && id == CLOCK_REALTIME)
    ts->tv_sec += jump();
  return (int)rc;
}

int gettimeofday(struct timeval *tv, void *zone) {
  (void)zone;
  struct timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  tv->tv_sec = ts.tv_sec;
  tv->tv_usec = ts.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *where) {
  struct timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  if (where)
    *where = ts.tv_sec;
  return ts.tv_sec;
}

static void nothing(int sig) { (void)sig; }

static void reap_all(int sig) {
  (void)sig;
  int err = errno;
  while (waitpid(-1, NULL, WNOHANG) > 0)
    ;
  errno = err;
}

static void handle(int sig, void (*handler)(int)) {
  struct sigaction sa;
  memset(&sa, 0, sizeof sa);
  sa.sa_handler = handler;
  sigaction(sig, &sa, NULL);
}

static void *busy(void *arg) {
  for (;;) {
    char *p = malloc(100 + (size_t)rand() % 100000);
    FILE *f = fopen("/dev/null", "w");
    if (p && f)
      fprintf(f, "%p", (void *)p);
    if (f)
      fclose(f);
    free(p);
  }
  return arg;
}

static void refuse(unsigned nr, unsigned err) {
  struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {4, code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    perror("hostile: seccomp");
}

static void begin(const char *word) {
  if (strcmp(word, "clock") == 0) {
    jumping = 1;
  } else if (strcmp(word, "reaper") == 0) {
    handle(SIGCHLD, reap_all);
  } else if (strcmp(word, "alarm") == 0) {
    struct itimerval often = {{0, 1000}, {0, 1000}};
    handle(SIGALRM, nothing);
    setitimer(ITIMER_REAL, &often, NULL);
  } else if (strcmp(word, "threads") == 0) {
    pthread_t thread;
    for (int i = 0; i < 4; i++)
      pthread_create(&thread, NULL, busy, NULL);
  } else if (strncmp(word, "nosys=", 6) == 0) {
    refuse((unsigned)atoi(word + 6), ENOSYS);
  } else if (strncmp(word, "eperm=", 6) == 0) {
    refuse((unsigned)atoi(word + 6), EPERM);
  }
}

__attribute__((constructor)) static void begin_all(void) {
  const char *list = getenv("HOSTILE");
  if (!list)
    return;
  char *words = strdup(list), *rest = words;
  for (char *w; (w = strsep(&rest, ",")) != NULL;)
    begin(w);
  free(words);
  if (!jumping)
    unsetenv("HOSTILE"); /* programs that this one starts are not meant */
}
