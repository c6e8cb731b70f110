/*
** watch.c: the process that watches a run's script
** MIT licence, see LICENSE
**
** It is a fresh program with one thread, no Lua and no arena, the child of the
** host and the parent of the script's process.  So the host need not reap,
** may ignore SIGCHLD and may be busy: the time limit is kept here, and how the
** script ended is known here.  It reads the control socket for one thing only:
** anything that comes, or its end, means "enough".
*/

#include "embed/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/code.h"
#include "chan/stream.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/poll.h"
#include "os/program.h"
#include "os/reap.h"
#include "os/self.h"
#include "os/signal.h"
#include "os/spawn.h"

static const int64_t PATIENCE = 30 * MP_SECOND; /* for the host's message */

/* --- the beginning -------------------------------------------------------- */

static int set_environment(const struct mp_job *j) {
  int rc = 0;
  mp_isolate_wipe_environment();
  for (const char **e = j->environment; rc >= 0 && e != NULL && *e; e++)
    rc = mp_self_add_environment(*e);
  return rc;
}

static int prepare(const struct mp_job *j) {
  int rc = mp_isolate_session(); /* Ctrl-C is the host's affair */
  if (rc >= 0)
    rc = mp_reaper_become();
  if (rc >= 0)
    rc = set_environment(j);
  if (rc >= 0 && j->directory.s != NULL)
    rc = mp_self_chdir(j->directory.s);
  return rc;
}

/* The pid of the script's process. */
static pid_t fork_worker(const struct mp_job *j, lua_CFunction open) {
  pid_t self = mp_self_pid();
  pid_t pid = mp_fork();
  if (pid == 0)
    mp_work_run(j, self, open);
  return pid;
}

/* The ends that the script's process has must not live on here: the host
** waits for their end of file. */
static void close_worker_ends(const struct mp_job *j) {
  mp_fd_close(MP_RUN_RESULT_FD);
  if ((j->flags & (MPLUA_RUN_SHOW_OUTPUT | MPLUA_RUN_DROP_OUTPUT)) == 0)
    mp_fd_close(MP_RUN_OUTPUT_FD);
}

/* --- watching ------------------------------------------------------------- */

static int64_t deadline_of(const struct mp_job *j, int64_t start) {
  if (j->wall <= 0)
    return MP_FOREVER;
  int64_t deadline = mp_deadline_in(j->wall);
  return deadline == MP_FOREVER ? deadline : deadline - (mp_now() - start);
}

/* Until the script's process has ended or there is a reason to end it. */
static void watch(int pidfd, int64_t deadline, struct mp_run_answer *a) {
  struct pollfd fds[] = {{.fd = pidfd, .events = POLLIN},
                         {.fd = MP_RUN_CONTROL_FD, .events = POLLIN}};
  int rc;
  do
    rc = mp_poll(fds, 2, deadline);
  while (rc == -EINTR);
  if (rc > 0 && fds[0].revents != 0)
    return;
  a->timed_out = rc == 0;
  a->cancelled = rc != 0;
}

static void run(const struct mp_job *j, lua_CFunction open,
                struct mp_run_answer *a) {
  int64_t start = mp_now();
  a->code = prepare(j);
  if (a->code < 0)
    return;
  pid_t pid = fork_worker(j, open);
  close_worker_ends(j);
  if (pid < 0) {
    a->code = pid;
    return;
  }
  int pidfd = mp_pidfd_open(pid);
  if (pidfd >= 0)
    watch(pidfd, deadline_of(j, start), a);
  else
    a->code = pidfd;
  mp_reaper_end(pid, &a->usage);
  a->wall_us = (mp_now() - start) / 1000;
}

/* --- the newborn ---------------------------------------------------------- */

static int receive_job(struct mp_stream *s, struct mp_job *j) {
  const void *data;
  uint64_t size;
  int64_t deadline = mp_now() + PATIENCE;
  int rc;
  do
    rc = mp_stream_recv(s, deadline, &data, &size);
  while (rc == -EINTR);
  return rc < 0 ? rc : mp_job_read(j, data, (size_t)size);
}

static void answer(struct mp_stream *s, const struct mp_run_answer *a) {
  unsigned char *room;
  if (mp_stream_ready(s, sizeof *a, &room) < 0)
    return;
  memcpy(room, a, sizeof *a);
  while (mp_stream_flush(s, mp_now() + MP_SECOND) == -EINTR)
    ;
}

void mp_watch_run(lua_CFunction open) {
  struct mp_stream control;
  struct mp_job j;
  struct mp_run_answer a;
  memset(&j, 0, sizeof j);
  memset(&a, 0, sizeof a);
  a.magic = MP_RUN_MAGIC;
  mp_signal_default_all();
  mp_signal_unblock_all();
  for (int fd = MP_RUN_CONTROL_FD; fd <= MP_RUN_OUTPUT_FD; fd++)
    mp_fd_set_cloexec(fd, 1);
  mp_stream_open(&control, MP_RUN_CONTROL_FD, 0, UINT64_MAX / 2);
  a.code = receive_job(&control, &j);
  if (a.code == MP_EEOF)
    mp_exit_now(EXIT_FAILURE); /* the host is gone */
  if (a.code >= 0)
    run(&j, open, &a);
  answer(&control, &a);
  mp_exit_now(EXIT_SUCCESS);
}
