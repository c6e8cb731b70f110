/*
** isolate.c: what a process may still do: limits, privileges, descendants
** MIT licence, see LICENSE
*/

#include "os/isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/fd.h"
#include "os/text.h"

/* --- limits --------------------------------------------------------------- */

static rlim_t lower(rlim_t wanted, rlim_t there) {
  return there != RLIM_INFINITY && there < wanted ? there : wanted;
}

static int limit(int which, uint64_t soft, uint64_t hard) {
  struct rlimit now;
  if (getrlimit((__rlimit_resource_t)which, &now) != 0)
    return -errno;
  now.rlim_max = lower((rlim_t)hard, now.rlim_max);
  now.rlim_cur = lower((rlim_t)soft, now.rlim_max);
  return setrlimit((__rlimit_resource_t)which, &now) == 0 ? 0 : -errno;
}

/* The kernel's limit counts whole seconds, the timer is exact. */
static int limit_cpu(double seconds) {
  struct itimerval t;
  double whole = floor(seconds);
  memset(&t, 0, sizeof t);
  t.it_value.tv_sec = (time_t)whole;
  t.it_value.tv_usec = (suseconds_t)((seconds - whole) * 1e6);
  if (whole <= 0 && t.it_value.tv_usec == 0)
    t.it_value.tv_usec = 1;
  if (setitimer(ITIMER_PROF, &t, NULL) != 0)
    return -errno;
  uint64_t soft = (uint64_t)ceil(seconds);
  return limit(RLIMIT_CPU, soft, soft + 1);
}

/* A write beyond the limit is to fail, not to kill. */
static int limit_file_size(uint64_t bytes) {
  if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
    return -errno;
  return limit(RLIMIT_FSIZE, bytes, bytes);
}

int mp_limits_apply(const struct mp_limits *l, const char **what) {
  int rc = limit(RLIMIT_CORE, 0, 0);
  *what = "core dumps";
  if (rc >= 0 && l->cpu > 0)
    *what = "CPU time", rc = limit_cpu(l->cpu);
  if (rc >= 0 && l->file_size > 0)
    *what = "file size", rc = limit_file_size(l->file_size);
  if (rc >= 0 && l->fds > 0)
    *what = "descriptors", rc = limit(RLIMIT_NOFILE, l->fds, l->fds);
  if (rc >= 0 && l->processes > 0)
    *what = "processes", rc = limit(RLIMIT_NPROC, l->processes, l->processes);
  if (rc >= 0 && l->address_space > 0)
    *what = "address space",
    rc = limit(RLIMIT_AS, l->address_space, l->address_space);
  return rc;
}

/* --- privileges ----------------------------------------------------------- */

int mp_isolate_session(void) {
  return setsid() < 0 ? -errno : 0;
}

int mp_isolate_output(int fd) {
  if (fd < 0)
    fd = mp_fd_lift(open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (fd < 0)
    return -EBADF;
  int rc = dup2(fd, 1) < 0 || dup2(fd, 2) < 0 ? -errno : 0;
  mp_fd_close(fd);
  return rc;
}

/* Order matters: the parent may have ended before the signal was asked for. */
int mp_isolate_die_with(pid_t parent) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
    return -errno;
  return getppid() == parent ? 0 : -ESRCH;
}

void mp_isolate_go_first(void) {
  int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0)
    return;
  mp_fd_write(fd, "1000", 4);
  mp_fd_close(fd);
}

int mp_isolate_no_new_privileges(void) {
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : -errno;
}

void mp_isolate_wipe_environment(void) {
  for (char **e = environ; e != NULL && *e != NULL; e++)
    explicit_bzero(*e, strlen(*e));
  clearenv();
}

/* --- descendants ---------------------------------------------------------- */

int mp_reaper_become(void) {
  return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 ? 0 : -errno;
}

/* Those that are children now; the number found. */
static int kill_children(void) {
  char path[64], text[4096];
  int found = 0;
  snprintf(path, sizeof path, "/proc/self/task/%ld/children", (long)getpid());
  if (mp_text_read(path, text, sizeof text) < 0)
    return 0;
  for (char *p = text, *end; *p != '\0'; p = end) {
    long pid = strtol(p, &end, 10);
    if (end == p || (*end != ' ' && *end != '\0'))
      break;
    if (pid > 0 && kill((pid_t)pid, SIGKILL) == 0)
      found++;
    end += *end == ' ';
  }
  return found;
}

/* 1: reaped one; 0: none has ended yet; -ECHILD: there are none. */
static int reap_one(pid_t first, struct mp_usage *out) {
  int status;
  pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
  if (pid < 0)
    return errno == EINTR ? 0 : -errno;
  if (pid == first)
    out->status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return pid > 0;
}

static int64_t microseconds(struct timeval t) {
  return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

static void count_usage(struct mp_usage *out) {
  struct rusage ru;
  if (getrusage(RUSAGE_CHILDREN, &ru) != 0)
    return;
  out->user_us = microseconds(ru.ru_utime);
  out->system_us = microseconds(ru.ru_stime);
  out->max_rss = (int64_t)ru.ru_maxrss * 1024;
}

/* A child's children become ours when it ends, so each round finds those
** that the one before has orphaned. */
int mp_reaper_end(pid_t first, struct mp_usage *out) {
  int64_t deadline = mp_now() + MP_SECOND;
  int rc;
  memset(out, 0, sizeof *out);
  kill(first, SIGKILL); /* a zombie keeps the status that it has */
  do {
    kill_children();
    while ((rc = reap_one(first, out)) == 1)
      ;
    if (rc == 0)
      mp_sleep_until(mp_now() + MP_MS / 5);
  } while (rc != -ECHILD && mp_now() < deadline);
  count_usage(out);
  return rc == -ECHILD ? 0 : -ETIMEDOUT;
}
