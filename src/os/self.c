/*
** self.c: who this process is, and whether others live
** MIT licence, see LICENSE
*/

#include "os/self.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/single_threaded.h>
#include <time.h>
#include <unistd.h>

#include "os/text.h"

static _Atomic pid_t cached_pid;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void forget(void) {
  atomic_store_explicit(&cached_pid, 0, memory_order_relaxed);
}

static void arm(void) {
  pthread_atfork(NULL, NULL, forget);
}

/* Only a pid that the child's atfork handler will forget may be kept. */
pid_t mp_self_pid(void) {
  pid_t pid = atomic_load_explicit(&cached_pid, memory_order_relaxed);
  if (pid != 0)
    return pid;
  pthread_once(&once, arm);
  pid = getpid();
  atomic_store_explicit(&cached_pid, pid, memory_order_relaxed);
  return pid;
}

/* The command's name stands in parentheses and may contain any byte, so the
** fields are counted from the last parenthesis: state is the third field,
** the number of threads the 20th, the start time the 22nd. */
static const char *stat_field(const char *text, int field) {
  const char *p = strrchr(text, ')');
  for (int i = 2; p != NULL && i < field; i++) {
    p = strchr(p, ' ');
    p = p ? p + 1 : NULL;
  }
  return p;
}

enum { TICKS = 100 }; /* a second, in /proc: USER_HZ on every Linux machine */

static int read_stat(pid_t pid, char *text, size_t room) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
  return mp_text_read(path, text, room);
}

/* A process whose first thread has ended looks like a zombie, but its other
** threads run. */
static int is_dead(const char *text) {
  const char *state = stat_field(text, 3);
  const char *threads = stat_field(text, 20);
  if (*state == 'X' || *state == 'x')
    return 1;
  return *state == 'Z' && (threads == NULL || atoi(threads) <= 1);
}

int mp_proc_start_time(pid_t pid, uint64_t *out) {
  char text[1024];
  int rc = read_stat(pid, text, sizeof text);
  if (rc < 0)
    return rc == -ENOENT ? -ESRCH : rc;
  const char *start = stat_field(text, 22);
  if (start == NULL || is_dead(text))
    return -ESRCH;
  *out = strtoull(start, NULL, 10);
  return 0;
}

uint64_t mp_self_born_by(void) {
  struct timespec ts;
  clock_gettime(CLOCK_BOOTTIME, &ts);
  return (uint64_t)ts.tv_sec * TICKS +
         (uint64_t)ts.tv_nsec / (1000000000 / TICKS);
}

/* No /proc here: the kernel's word is all there is. */
int mp_proc_may_live(pid_t pid) {
  return kill(pid, 0) == 0 || errno != ESRCH;
}

static int has_proc(void) {
  return access("/proc/self/stat", R_OK) == 0;
}

/* A bound of 0 means that none was noted. */
int mp_proc_is_alive(pid_t pid, uint64_t born_by) {
  uint64_t start;
  if (pid <= 0)
    return 0;
  int rc = mp_proc_start_time(pid, &start);
  if (rc == 0)
    return start <= born_by || born_by == 0;
  if (rc == -ESRCH && has_proc())
    return 0;
  return mp_proc_may_live(pid);
}

int mp_proc_is_stopped(pid_t pid) {
  char text[1024];
  if (read_stat(pid, text, sizeof text) < 0)
    return 0;
  const char *state = stat_field(text, 3);
  return state != NULL && (*state == 'T' || *state == 't');
}

int mp_self_thread_count(void) {
  char text[1024];
  if (__libc_single_threaded)
    return 1;
  if (mp_text_read("/proc/self/stat", text, sizeof text) < 0)
    return 1;
  const char *threads = stat_field(text, 20);
  int n = threads ? atoi(threads) : 1;
  return n > 0 ? n : 1;
}

int mp_random(void *p, size_t n) {
  size_t done = 0;
  while (done < n) {
    ssize_t got = getrandom((char *)p + done, n - done, 0);
    if (got >= 0)
      done += (size_t)got;
    else if (errno != EINTR)
      return -errno;
  }
  return 0;
}
