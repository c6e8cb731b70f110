/*
** os_test.c: descriptors, futex, maps, liveness, reaping, waiting
** MIT licence, see LICENSE
*/

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/code.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/futex.h"
#include "os/map.h"
#include "os/poll.h"
#include "os/reap.h"
#include "os/self.h"
#include "os/text.h"

static int passed, failed;

static void expect(int good, const char *what, int line) {
  if (good) {
    passed++;
    return;
  }
  failed++;
  printf("  line %d: %s\n", line, what);
}

#define CHECK(e) expect((e), #e, __LINE__)

/* Runs f in a forked child and adds what it counted. */
static void in_child(void (*f)(void)) {
  int status = 0;
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    failed = 0;
    f();
    fflush(NULL);
    _exit(failed > 100 ? 100 : failed);
  }
  CHECK(waitpid(pid, &status, 0) == pid);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int open_count(void) {
  int n = 0;
  for (int fd = 0; fd < 256; fd++)
    n += fcntl(fd, F_GETFD) >= 0;
  return n;
}

static int is_good(int fd) {
  return fd > 2 && (fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

/* --- descriptors --- */

static void without_streams(void) {
  int p[2], s[2];
  close(0);
  close(1);
  CHECK(mp_fd_pipe(p) == 0 && is_good(p[0]) && is_good(p[1]));
  CHECK(mp_fd_socketpair(SOCK_STREAM, s) == 0 && is_good(s[0]) &&
        is_good(s[1]));
  int e = mp_fd_eventfd();
  CHECK(is_good(e));
  int m = mp_map_create("test", 1 << 20);
  CHECK(is_good(m));
  int self = mp_pidfd_open(getpid());
  CHECK(is_good(self));
  CHECK(fcntl(0, F_GETFD) < 0 && fcntl(1, F_GETFD) < 0); /* nothing there */
}

static void without_room(void) {
  struct rlimit r = {8, 8};
  int p[2] = {-7, -7}, n;
  setrlimit(RLIMIT_NOFILE, &r);
  while (dup(2) >= 0)
    ;
  close(7);
  n = open_count();
  CHECK(mp_fd_pipe(p) == -EMFILE && p[0] == -7);
  CHECK(mp_fd_socketpair(SOCK_STREAM, p) == -EMFILE && p[1] == -7);
  close(0); /* room for two, but one of them is number 0 */
  CHECK(mp_fd_pipe(p) == -EMFILE && open_count() == n - 1);
}

static void test_transfers(void) {
  int s[2], nfds = 2, fds[2];
  char buf[8];
  CHECK(mp_fd_lift(-EBADF) == -EBADF);
  CHECK(mp_fd_close(9999) == -EBADF);
  CHECK(mp_fd_socketpair(SOCK_STREAM, s) == 0);
  CHECK(mp_fd_write_all(s[0], "abcdef", 6) == 0);
  CHECK(mp_fd_read_all(s[1], buf, 4) == 0 && memcmp(buf, "abcd", 4) == 0);
  CHECK(mp_fd_set_nonblock(s[1], 1) == 0);
  CHECK(mp_fd_read(s[1], buf, 8) == 2);
  CHECK(mp_fd_read(s[1], buf, 8) == -EAGAIN);
  CHECK(mp_fd_write_all(s[0], "xy", 2) == 0);
  mp_fd_close(s[0]);
  CHECK(mp_fd_read_all(s[1], buf, 3) == MP_EEOF);
  CHECK(mp_fd_read_all(s[1], buf, 1) == MP_EEOF);
  CHECK(mp_fd_write_all(s[1], "z", 1) == -EPIPE); /* and no SIGPIPE */
  CHECK(mp_fd_recv(s[1], buf, 8, fds, &nfds) == 0 && nfds == 0);
  mp_fd_close(s[1]);
}

/* A descriptor for which there is no room is closed, not leaked. */
static void test_passing(void) {
  int s[2], p[2], got[4], n = 4;
  char buf[16];
  int before = open_count();
  CHECK(mp_fd_socketpair(SOCK_SEQPACKET, s) == 0 && mp_fd_pipe(p) == 0);
  CHECK(mp_fd_send(s[0], "hello", 5, p, 2) == 0);
  CHECK(mp_fd_recv(s[1], buf, sizeof buf, got, &n) == 5 && n == 2);
  CHECK(is_good(got[0]) && is_good(got[1]));
  CHECK(mp_fd_write_all(got[1], "!", 1) == 0);
  CHECK(mp_fd_read(p[0], buf, 1) == 1 && buf[0] == '!');
  mp_fd_close(got[0]);
  mp_fd_close(got[1]);
  n = 1;
  CHECK(mp_fd_send(s[0], "x", 1, p, 2) == 0);
  CHECK(mp_fd_recv(s[1], buf, sizeof buf, got, &n) == -EMSGSIZE);
  CHECK(mp_fd_send(s[0], "x", 1, p, 2) == 0);
  CHECK(mp_fd_recv(s[1], buf, sizeof buf, NULL, NULL) == -EMSGSIZE);
  for (int i = 0; i < 2; i++) {
    mp_fd_close(s[i]);
    mp_fd_close(p[i]);
  }
  CHECK(open_count() == before);
}

/* --- time, futex, poll --- */

static void ignore(int sig) {
  (void)sig;
}

static void alarm_in(long us) {
  struct itimerval t = {{0, 0}, {0, us}};
  struct sigaction sa = {.sa_handler = ignore};
  sigaction(SIGALRM, &sa, NULL);
  setitimer(ITIMER_REAL, &t, NULL);
}

static void test_time(void) {
  int p[2];
  CHECK(mp_deadline_in(-1) == 0 && mp_deadline_in(0) == 0);
  CHECK(mp_deadline_in(1e300) == MP_FOREVER);
  int64_t start = mp_now();
  CHECK(mp_sleep_until(mp_deadline_in(0.02)) == 0);
  CHECK(mp_now() - start >= 20 * MP_MS);
  CHECK(mp_sleep_until(start) == 0);
  alarm_in(10000);
  CHECK(mp_sleep_until(mp_deadline_in(20)) == -EINTR);
  CHECK(mp_fd_pipe(p) == 0);
  CHECK(mp_poll_one(p[0], POLLIN, mp_deadline_in(0.01)) == 0);
  CHECK(mp_poll_one(p[0], POLLIN, 0) == 0);
  alarm_in(10000);
  CHECK(mp_poll_one(p[0], POLLIN, MP_FOREVER) == -EINTR);
  CHECK(mp_fd_write_all(p[1], "x", 1) == 0);
  CHECK(mp_poll_one(p[0], POLLIN, MP_FOREVER) == 1);
  mp_fd_close(p[0]);
  mp_fd_close(p[1]);
}

static _Atomic uint32_t *word;

static void wake_later(void) {
  mp_sleep_until(mp_deadline_in(0.02));
  atomic_store(word, 1);
  while (mp_futex_wake(word, 1) == 0) /* it may not sleep yet */
    sched_yield();
}

static void test_futex(void) {
  word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
              -1, 0);
  CHECK(mp_futex_wait(word, 5, MP_FOREVER) == 0); /* has changed already */
  CHECK(mp_futex_wait(word, 0, 0) == -ETIMEDOUT);
  int64_t start = mp_now();
  CHECK(mp_futex_wait(word, 0, mp_deadline_in(0.02)) == -ETIMEDOUT);
  CHECK(mp_now() - start >= 20 * MP_MS);
  alarm_in(10000);
  CHECK(mp_futex_wait(word, 0, MP_FOREVER) == -EINTR);
  CHECK(mp_futex_wake(word, 1) == 0);
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    wake_later();
    _exit(0);
  }
  CHECK(mp_futex_wait(word, 0, mp_deadline_in(20)) == 0);
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  munmap((void *)word, 4096);
}

/* --- maps --- */

static void test_map(void) {
  enum { SIZE = 1 << 24 };
  uint64_t size = 0;
  void *p, *q;
  int fd = mp_map_create("test", SIZE);
  CHECK(fd > 2 && mp_map_size(fd, &size) == 0 && size == SIZE);
  CHECK(ftruncate(fd, 4096) != 0 && ftruncate(fd, SIZE * 2) != 0); /* sealed */
  CHECK(mp_map_attach(fd, SIZE, &p) == 0 && mp_map_attach(fd, SIZE, &q) == 0);
  CHECK(mp_map_committed(fd) == 0);
  CHECK(mp_map_commit(fd, 4096, 1 << 20) == 0);
  CHECK(mp_map_committed(fd) >= 1 << 20);
  memset((char *)p + 4096, 7, 1 << 20);
  CHECK(((char *)q)[5000] == 7);
  CHECK(mp_map_decommit(fd, 0, SIZE) == 0 && mp_map_committed(fd) == 0);
  CHECK(((char *)q)[5000] == 0);
  CHECK(mp_map_detach(p, SIZE) == 0 && mp_map_detach(q, SIZE) == 0);
  mp_fd_close(fd);
  fd = memfd_create("unsealed", MFD_CLOEXEC);
  CHECK(mp_map_size(fd, &size) < 0);
  CHECK(mp_map_size(0, &size) < 0);
  mp_fd_close(fd);
  CHECK(mp_map_available() > 1 << 20);
}

static void limited(void) {
  struct rlimit r = {1 << 30, 1 << 30};
  setrlimit(RLIMIT_FSIZE, &r);
  CHECK(mp_map_range_limit() == 1 << 30);
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
  setrlimit(RLIMIT_AS, &r);
  CHECK(mp_map_range_limit() == 1 << 29);
#endif
}

/* --- liveness --- */

static void own_pid(void) {
  CHECK(mp_self_pid() == getpid() && getppid() != getpid());
  CHECK(mp_proc_is_alive(getpid(), mp_self_born_by()));
}

static void *outlive(void *p) {
  mp_sleep_until(mp_deadline_in(30));
  return p;
}

/* The first thread ends; the process goes on. */
static void leaderless(void) {
  pthread_t t;
  pthread_create(&t, NULL, outlive, NULL);
  pthread_exit(NULL);
}

static void test_alive(void) {
  uint64_t start = 0, now = mp_self_born_by();
  siginfo_t si;
  CHECK(mp_self_pid() == getpid());
  in_child(own_pid);
  CHECK(mp_proc_start_time(getpid(), &start) == 0 && start <= now);
  CHECK(mp_proc_is_alive(getpid(), now));
  CHECK(!mp_proc_is_alive(getpid(), start - 1)); /* a stranger has the pid */
  CHECK(!mp_proc_is_alive(0, now) && !mp_proc_is_alive(-1, now));
  pid_t pid = fork();
  if (pid == 0)
    _exit(0);
  CHECK(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT) == 0);
  CHECK(kill(pid, 0) == 0 && mp_proc_may_live(pid)); /* so it says */
  CHECK(!mp_proc_is_alive(pid, mp_self_born_by()));
  CHECK(mp_proc_start_time(pid, &start) == -ESRCH);
  waitpid(pid, NULL, 0);
  CHECK(!mp_proc_may_live(pid) && !mp_proc_is_alive(pid, now));
}

static void test_leaderless(void) {
  char text[512], path[64];
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    leaderless();
    _exit(1);
  }
  snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
  int64_t deadline = mp_deadline_in(10);
  do {
    mp_sleep_until(mp_deadline_in(0.001));
    text[0] = '\0';
    mp_text_read(path, text, sizeof text);
  } while (strstr(text, ") Z") == NULL && mp_now() < deadline);
  CHECK(strstr(text, ") Z") != NULL);
  CHECK(mp_proc_is_alive(pid, mp_self_born_by()));
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
}

static void *count_threads(void *p) {
  *(int *)p = mp_self_thread_count();
  return NULL;
}

static void test_counts(void) {
  cpu_set_t one, all;
  pthread_t t;
  int n = 0;
  size_t cpu = 0;
  char a[32] = {0}, b[32] = {0};
  CHECK(mp_self_thread_count() == 1);
  CHECK(pthread_create(&t, NULL, count_threads, &n) == 0);
  pthread_join(t, NULL);
  CHECK(n == 2);
  sched_getaffinity(0, sizeof all, &all);
  CHECK(mp_cpu_count() >= 1 && mp_cpu_count() <= CPU_COUNT(&all));
  while (!CPU_ISSET(cpu, &all))
    cpu++;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
  CHECK(mp_cpu_count() == 1);
  sched_setaffinity(0, sizeof all, &all);
  CHECK(mp_random(a, sizeof a) == 0 && mp_random(b, sizeof b) == 0);
  CHECK(memcmp(a, b, sizeof a) != 0);
}

/* --- reaping --- */

static pid_t child_that(int code, int sig) {
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    if (sig)
      kill(getpid(), sig);
    _exit(code);
  }
  return pid;
}

static int reap_within(int pidfd, int *status) {
  CHECK(mp_poll_one(pidfd, POLLIN, mp_deadline_in(20)) == 1);
  return mp_pidfd_reap(pidfd, status);
}

static void test_reap(void) {
  int status = 77;
  pid_t pid = child_that(3, 0);
  int fd = mp_pidfd_open(pid);
  CHECK(fd > 2 && reap_within(fd, &status) == 1 && status == 3);
  CHECK(mp_pidfd_reap(fd, &status) == -ECHILD);
  CHECK(mp_pidfd_signal(fd, SIGTERM) == -ESRCH);
  mp_fd_close(fd);
  CHECK(mp_pidfd_open(pid) < 0);
  fd = mp_pidfd_open(child_that(0, SIGKILL));
  CHECK(reap_within(fd, &status) == 1 && status == -SIGKILL);
  mp_fd_close(fd);
  fd = mp_pidfd_open(child_that(0, SIGSTOP));
  CHECK(mp_pidfd_reap(fd, &status) == 0); /* stopped is not ended */
  CHECK(mp_pidfd_signal(fd, SIGKILL) == 0);
  CHECK(reap_within(fd, &status) == 1 && status == -SIGKILL);
  mp_fd_close(fd);
}

static void reap_ignored(void) {
  int status = 77;
  signal(SIGCHLD, SIG_IGN);
  int p[2];
  CHECK(mp_fd_pipe(p) == 0);
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    char c;
    mp_fd_close(p[1]);
    _exit((int)mp_fd_read(p[0], &c, 1));
  }
  int fd = mp_pidfd_open(pid);
  CHECK(fd > 2);
  mp_fd_close(p[1]);
  CHECK(mp_poll_one(fd, POLLIN, mp_deadline_in(20)) == 1);
  int rc = mp_pidfd_reap(fd, &status);
  CHECK(rc == -ECHILD && status == 77);
}

int main(void) {
  in_child(without_streams);
  in_child(without_room);
  test_transfers();
  test_passing();
  test_time();
  test_futex();
  test_map();
  in_child(limited);
  test_alive();
  test_leaderless();
  test_counts();
  test_reap();
  in_child(reap_ignored);
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
