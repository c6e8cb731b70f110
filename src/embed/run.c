/*
** run.c: the host's side of a run: its life
** MIT licence, see LICENSE
**
** Nothing that comes from the script's process is trusted: one message is
** taken and only so much of it, so much of its output, and none of it is
** waited for longer than the watcher lives.  The watcher is our own program; a
** second after the time limit it is given up, too.
*/

#include "embed/run.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/code.h"
#include "bind/child.h"
#include "embed/error.h"
#include "embed/values.h"
#include "os/address.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/poll.h"
#include "os/pollset.h"
#include "os/program.h"
#include "os/reap.h"
#include "os/self.h"
#include "os/spawn.h"

enum { CONTROL, RESULT, OUTPUT, TIMER, WATCHED };

enum { PIECE = 16 * 1024 }; /* of output, read in one go */

static const char SELF[] = "/proc/self/exe";

static const int64_t GRACE = 2 * MP_SECOND; /* for the watcher to answer */

void mplua_run_options_init(mplua_run_options *o) {
  memset(o, 0, sizeof *o);
  o->flags = MPLUA_RUN_NO_NEW_PRIVILEGES;
  o->wall_seconds = o->cpu_seconds = 10;
  o->lua_memory = 64 * 1024 * 1024;
  o->file_size = 1024 * 1024;
  o->fds = 16;
  o->output_limit = 1024 * 1024;
  o->result_limit = 16 * 1024 * 1024;
}

/* --- starting ------------------------------------------------------------- */

static struct mplua_run *new_run(const mplua_run_options *o) {
  struct mplua_run *r = calloc(1, sizeof *r);
  if (r == NULL)
    return NULL;
  r->owner = mp_self_pid();
  r->pidfd = r->output = r->set = r->timer = -1;
  r->control.fd = r->result.fd = -1;
  r->output_limit = o->output_limit > 0 ? o->output_limit : SIZE_MAX;
  r->result_limit = o->result_limit > 0 ? o->result_limit : SIZE_MAX / 2;
  r->cpu = o->cpu_seconds;
  r->wall = o->wall_seconds;
  r->start = mp_now();
  r->deadline = MP_FOREVER;
  if (o->wall_seconds > 0)
    r->deadline = mp_deadline_in(o->wall_seconds + 2);
  r->values = mp_values_limited(
      r->result_limit < SIZE_MAX / 64 ? r->result_limit * 32 + (1 << 20)
                                      : SIZE_MAX);
  if (r->values == NULL) {
    free(r);
    return NULL;
  }
  return r;
}

/* The ends that the newborn gets; -1: none. */
struct ends {
  int fds[3];
  int n;
};

static void close_ends(struct ends *e) {
  while (e->n > 0)
    mp_fd_close(e->fds[--e->n]);
}

static int open_ends(struct mplua_run *r, unsigned flags, struct ends *e) {
  int pair[2];
  int rc = mp_fd_socketpair(SOCK_STREAM, pair);
  if (rc < 0)
    return rc;
  mp_stream_open(&r->control, pair[0], 0, sizeof(struct mp_run_answer));
  e->fds[e->n++] = pair[1];
  rc = mp_fd_socketpair(SOCK_STREAM, pair);
  if (rc < 0)
    return rc;
  mp_stream_open(&r->result, pair[0], 0, r->result_limit);
  e->fds[e->n++] = pair[1];
  if (flags & (MPLUA_RUN_SHOW_OUTPUT | MPLUA_RUN_DROP_OUTPUT))
    return 0;
  rc = mp_fd_pipe(pair);
  if (rc < 0)
    return rc;
  r->output = pair[0];
  e->fds[e->n++] = pair[1];
  return mp_fd_set_nonblock(r->output, 1);
}

static int open_set(struct mplua_run *r) {
  r->set = mp_pollset_open();
  r->timer = r->set < 0 ? r->set : mp_timer_open();
  if (r->timer < 0)
    return r->timer;
  int rc = mp_timer_set(r->timer, r->deadline);
  if (rc >= 0)
    rc = mp_pollset_add(r->set, r->timer, TIMER);
  if (rc >= 0)
    rc = mp_pollset_add(r->set, r->control.fd, CONTROL);
  if (rc >= 0)
    rc = mp_pollset_add(r->set, r->result.fd, RESULT);
  if (rc >= 0 && r->output >= 0)
    rc = mp_pollset_add(r->set, r->output, OUTPUT);
  return rc;
}

/* This program is run by a path that holds though its file was replaced, under
** the name that it has. */
static int spawn(struct mplua_run *r, const char *path,
                 const struct ends *e) {
  char option[] = MP_CHILD_OPTION, word[] = MP_RUN_WORD, name[4096];
  if (strcmp(path, SELF) != 0 || mp_self_program(name, sizeof name) < 0)
    snprintf(name, sizeof name, "%s", path);
  char *argv[] = {name, option, word, NULL};
  struct mp_spawn s = {path, argv, e->fds, e->n};
  pid_t pid = mp_spawn(&s);
  if (pid < 0)
    return pid;
  r->pid = pid;
  r->pidfd = mp_pidfd_open(pid);
  return r->pidfd < 0 ? r->pidfd : 0;
}

static int send_job(struct mplua_run *r, const struct mp_buf *job) {
  unsigned char *room;
  int rc = mp_stream_ready(&r->control, job->len, &room);
  if (rc < 0)
    return rc;
  memcpy(room, job->data, job->len);
  do
    rc = mp_stream_flush(&r->control, mp_now() + 30 * MP_SECOND);
  while (rc == -EINTR);
  return rc;
}

static int start(struct mplua_run *r, const char *path, unsigned flags,
                 const struct mp_buf *job) {
  struct ends e = {.n = 0};
  int rc = open_ends(r, flags, &e);
  if (rc >= 0)
    rc = open_set(r);
  if (rc >= 0)
    rc = spawn(r, path, &e);
  close_ends(&e);
  r->control.limit = job->len;
  if (rc >= 0)
    rc = send_job(r, job);
  r->control.limit = sizeof(struct mp_run_answer);
  return rc == MP_EEOF ? MPLUA_ENOTARGET : rc;
}

/* The program to run. */
static int find_program(const mplua_run_options *o, const char **path,
                        struct mplua_error *e) {
  *path = o->executable != NULL ? o->executable : SELF;
  if (o->executable != NULL || mp_program_is_target())
    return 0;
  return mp_fail(e, MPLUA_ENOTARGET, "%s", mplua_strerror(MPLUA_ENOTARGET));
}

static int write_job(const char *source, size_t size,
                     const mplua_values *args, const mplua_run_options *o,
                     struct mp_buf *job, struct mplua_error *e) {
  struct mp_buf b;
  mp_buf_init(&b);
  int rc = args != NULL ? mp_values_encode(args, &b, e) : 0;
  if (rc < 0) {
    mp_buf_fini(&b);
    return rc;
  }
  struct mp_text text = {source, size};
  struct mp_text values = {(const char *)b.data, b.len};
  rc = mp_job_write(o, text, values, job);
  mp_buf_fini(&b);
  return rc < 0 ? mp_fail_code(e, rc, "cannot describe the run") : 0;
}

int mplua_run_start(mplua_run **out, const char *source, size_t size,
                    const mplua_values *args, const mplua_run_options *o,
                    struct mplua_error *e) {
  mplua_run_options defaults;
  struct mp_buf job;
  const char *path;
  mplua_run_options_init(&defaults);
  o = o != NULL ? o : &defaults;
  int rc = find_program(o, &path, e);
  if (rc < 0)
    return rc;
  mp_buf_init(&job);
  struct mplua_run *r = new_run(o);
  if (r == NULL)
    return mp_fail_code(e, -ENOMEM, "cannot start a run");
  rc = write_job(source, size, args, o, &job, e);
  if (rc >= 0 && (rc = start(r, path, o->flags, &job)) < 0)
    mp_fail(e, rc, "cannot start %s: %s", path, mplua_strerror(rc));
  mp_buf_fini(&job);
  if (rc < 0)
    mplua_run_free(r);
  else
    *out = r;
  return rc < 0 ? rc : 0;
}

/* --- what comes ----------------------------------------------------------- */

static void unwatch_output(struct mplua_run *r) {
  mp_pollset_remove(r->set, r->output);
  mp_fd_close(r->output);
  r->output = -1;
}

static void flood(struct mplua_run *r) {
  r->flooded = 1;
  mplua_run_kill(r);
}

/* 1: there may be more. */
static int take_output(struct mplua_run *r) {
  if (r->output < 0 || mp_buf_reserve(&r->text, PIECE) < 0)
    return 0;
  ssize_t n = mp_fd_read(r->output, r->text.data + r->text.len, PIECE - 1);
  if (n == -EAGAIN || n == -EINTR)
    return 0;
  if (n <= 0) {
    unwatch_output(r);
    return 0;
  }
  r->text.len += (size_t)n;
  if (r->text.len <= r->output_limit)
    return 1;
  r->text.len = r->output_limit;
  unwatch_output(r);
  flood(r);
  return 0;
}

/* One message, and no second one is looked at. */
static void take_result(struct mplua_run *r) {
  const void *data;
  uint64_t size;
  if (r->has_message || r->flooded)
    return;
  int rc = mp_stream_recv(&r->result, 0, &data, &size);
  if (rc == -ETIMEDOUT || rc == -EINTR)
    return;
  r->has_message = rc >= 0;
  mp_pollset_remove(r->set, r->result.fd);
  if (rc == -EMSGSIZE)
    flood(r);
  else if (rc < 0 && r->result.in.len > 0)
    r->lied = 1; /* a part of a message, then nothing */
}

static void reap(struct mplua_run *r) {
  int status;
  mp_poll_one(r->pidfd, POLLIN, mp_now() + GRACE);
  if (mp_pidfd_reap(r->pidfd, &status) == 0) {
    mp_pidfd_signal(r->pidfd, SIGKILL);
    mp_poll_one(r->pidfd, POLLIN, mp_now() + GRACE);
    mp_pidfd_reap(r->pidfd, &status);
  }
  r->pid = 0;
}

/* The script's process is gone: what it has left is all there will be. */
static void end(struct mplua_run *r) {
  take_result(r);
  while (take_output(r))
    ;
  reap(r);
  r->ended = 1;
  mp_run_conclude(r);
}

static void take_answer(struct mplua_run *r) {
  const void *data;
  uint64_t size;
  int rc = mp_stream_recv(&r->control, 0, &data, &size);
  if (rc == -ETIMEDOUT || rc == -EINTR)
    return;
  if (rc >= 0 && size == sizeof r->answer)
    memcpy(&r->answer, data, sizeof r->answer);
  r->lost = r->answer.magic != MP_RUN_MAGIC;
  if (r->lost)
    mp_pidfd_signal(r->pidfd, SIGKILL);
  end(r);
}

/* The watcher itself is late. */
static void give_up(struct mplua_run *r) {
  r->lost = 1;
  mp_pidfd_signal(r->pidfd, SIGKILL);
  end(r);
}

/* --- waiting -------------------------------------------------------------- */

static int step(struct mplua_run *r) {
  uint32_t ready[WATCHED];
  int n = mp_pollset_ready(r->set, ready, WATCHED);
  for (int i = 0; i < n && !r->ended; i++) {
    if (ready[i] == RESULT)
      take_result(r);
    else if (ready[i] == OUTPUT)
      take_output(r);
  }
  for (int i = 0; i < n && !r->ended; i++) {
    if (ready[i] == CONTROL)
      take_answer(r);
    else if (ready[i] == TIMER)
      give_up(r);
  }
  return n < 0 ? n : 0;
}

int mplua_run_wait(mplua_run *r, double timeout) {
  int64_t deadline = timeout < 0 ? MP_FOREVER : mp_deadline_in(timeout);
  int rc = r->ended ? 0 : step(r);
  while (rc >= 0 && !r->ended) {
    rc = mp_poll_one(r->set, POLLIN, deadline);
    if (rc == 0)
      return 0;
    rc = rc == -EINTR ? 0 : rc < 0 ? rc : step(r);
  }
  return rc < 0 ? rc : 1;
}

int mplua_run_fileno(const mplua_run *r) {
  return r->set;
}

/* Any byte means "enough".  If none can be sent the watcher has gone. */
int mplua_run_kill(mplua_run *r) {
  if (r->ended || r->pid == 0)
    return 0;
  if (!r->flooded)
    r->cancelled = 1;
  int64_t soon = mp_now() + GRACE;
  if (soon < r->deadline)
    mp_timer_set(r->timer, r->deadline = soon);
  ssize_t n = mp_sock_send(r->control.fd, "", 1);
  return n < 0 && n != -EPIPE && n != -ECONNRESET ? (int)n : 0;
}

const mplua_report *mplua_run_report(const mplua_run *r) {
  return r->ended ? &r->report : NULL;
}

mplua_values *mplua_run_results(mplua_run *r) {
  return r->ended ? r->values : NULL;
}

/* --- the end -------------------------------------------------------------- */

/* Started, but not watchable: it is our child all the same. */
static void kill_unwatched(struct mplua_run *r) {
  mp_stream_close(&r->control); /* its end of file ends the watcher */
  mp_pid_reap(r->pid);
  r->pid = 0;
}

static void close_if_open(int fd) {
  if (fd >= 0)
    mp_fd_close(fd);
}

void mplua_run_free(mplua_run *r) {
  if (r == NULL)
    return;
  if (r->owner != mp_self_pid())
    r->pid = 0;
  if (r->pid != 0 && r->pidfd < 0)
    kill_unwatched(r);
  if (r->pid != 0 && !r->ended) {
    mplua_run_kill(r);
    mplua_run_wait(r, 2 * (double)GRACE / (double)MP_SECOND);
  }
  mp_stream_close(&r->control);
  mp_stream_close(&r->result);
  close_if_open(r->output);
  close_if_open(r->timer);
  close_if_open(r->set);
  close_if_open(r->pidfd);
  mp_buf_fini(&r->text);
  mplua_values_free(r->values);
  free(r);
}
