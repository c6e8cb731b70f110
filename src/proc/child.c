/*
** child.c: a process that this one has started
** MIT licence, see LICENSE
*/

#include "proc/child.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "os/clock.h"
#include "os/fd.h"
#include "os/poll.h"
#include "os/reap.h"
#include "os/self.h"
#include "os/signal.h"

struct mp_child {
  struct mp_child *older; /* list of this process's started children */
  const void *owner;
  struct mp_arena *arena;
  mp_proc proc;
  pid_t parent; /* who started it: others may not touch it */
  pid_t pid;
  int pidfd;    /* -1: given back */
  int lifeline; /* write end; -1: none */
  int lifeline_read; /* only between begin and adopt */
  int kept;     /* goes with it; -1: none */
  int stranger; /* not our child by the kernel's book: the server's */
  int daemon;
  int running;
  int status;
  int last_signal; /* what we sent last: the best guess for a lost status */
  int has_handle;
  int wants_sentinel;
};

static struct mp_child *youngest;
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;

/* --- the list ------------------------------------------------------------- */

static void list_add(struct mp_child *c) {
  pthread_mutex_lock(&list_lock);
  c->older = youngest;
  youngest = c;
  pthread_mutex_unlock(&list_lock);
}

static void list_remove(struct mp_child *c) {
  pthread_mutex_lock(&list_lock);
  struct mp_child **link = &youngest;
  while (*link != NULL && *link != c)
    link = &(*link)->older;
  if (*link != NULL)
    *link = c->older;
  pthread_mutex_unlock(&list_lock);
}

/* --- birth ---------------------------------------------------------------- */

struct mp_child *mp_child_new(void) {
  struct mp_child *c = calloc(1, sizeof *c);
  if (c == NULL)
    return NULL;
  c->pidfd = c->lifeline = c->lifeline_read = c->kept = -1;
  c->has_handle = 1;
  return c;
}

static void close_copy(int fd) {
  if (fd >= 0)
    mp_fd_close(fd);
}

static void close_if_open(int *fd) {
  close_copy(*fd);
  *fd = -1;
}

static void drop_descriptors(struct mp_child *c) {
  close_if_open(&c->pidfd);
  close_if_open(&c->lifeline);
  close_if_open(&c->lifeline_read);
  close_if_open(&c->kept);
}

int mp_child_begin(struct mp_child *c, struct mp_arena *a,
                   const struct mp_child_options *o) {
  int lifeline[2] = {-1, -1};
  int rc = o->daemon ? mp_fd_pipe(lifeline) : 0;
  if (rc < 0)
    return rc;
  rc = mp_slot_take(a, o->inherit, &c->proc);
  if (rc < 0) {
    close_if_open(&lifeline[0]);
    close_if_open(&lifeline[1]);
    return rc;
  }
  c->arena = a;
  c->owner = o->owner;
  c->daemon = o->daemon;
  c->lifeline_read = lifeline[0];
  c->lifeline = lifeline[1];
  return 0;
}

int mp_child_lifeline(const struct mp_child *c) {
  return c->lifeline_read;
}

int mp_child_keep_read_end(struct mp_child *c) {
  int fd = c->lifeline_read;
  if (fd >= 0) { /* a write would copy the page */
    c->lifeline_read = -1;
    close_if_open(&c->lifeline);
  }
  return fd;
}

void mp_child_abort(struct mp_child *c) {
  drop_descriptors(c);
  mp_slot_drop(c->arena, c->proc);
}

void mp_child_adopt(struct mp_child *c, pid_t pid, int pidfd, int stranger) {
  close_if_open(&c->lifeline_read);
  mp_slot_set_pid(c->arena, c->proc, pid);
  c->pid = pid;
  c->pidfd = pidfd;
  c->stranger = stranger;
  c->parent = mp_self_pid();
  c->running = 1;
  list_add(c);
}

/* --- death ---------------------------------------------------------------- */

/* Somebody else has reaped it: the slot knows what it exited with; one who
** was killed could not write that down. */
static int status_from_slot(const struct mp_child *c) {
  struct mp_slot_info info;
  if (c->stranger)
    mp_slot_wait_status(c->arena, c->proc, mp_now() + MP_SECOND);
  if (mp_slot_info(c->arena, c->proc, &info) >= 0 &&
      info.status != MP_STATUS_UNKNOWN)
    return info.status;
  return -(c->last_signal != 0 ? c->last_signal : SIGKILL);
}

/* A program that is none of ours ends with 0 and has run nothing: that must
** not look like a target that returned.  The shell's code for "no such
** command". */
static int checked_status(const struct mp_child *c, int status) {
  enum { NO_CHILD = 127 };
  struct mp_slot_info info;
  if (status != 0 || c->stranger ||
      mp_slot_info(c->arena, c->proc, &info) < 0)
    return status;
  return info.state == MP_STARTING ? NO_CHILD : 0;
}

static void note_end(struct mp_child *c, int status) {
  c->status = checked_status(c, status);
  c->running = 0;
  list_remove(c);
  mp_slot_drop(c->arena, c->proc);
  close_if_open(&c->lifeline);
  close_if_open(&c->kept);
  if (!c->wants_sentinel)
    close_if_open(&c->pidfd);
}

/* 1 when it has ended, 0 when not. */
static int note(struct mp_child *c, int rc, int status) {
  if (rc == 0 || rc == -EINTR)
    return rc;
  note_end(c, rc == 1 ? status : status_from_slot(c));
  return 1;
}

/*
** Without a pidfd it could neither be waited for nor signalled safely.  There is
** none for one that has ended and been reaped before we could look, which
** happens where SIGCHLD is ignored: that one has lived, and it may have done
** something, so it is no failure.
*/
int mp_child_adopt_own(struct mp_child *c, pid_t pid) {
  int pidfd = mp_pidfd_open(pid);
  if (pidfd < 0 && pidfd != -ESRCH) {
    mp_signal_send(pid, SIGKILL);
    mp_pid_reap(pid);
    return pidfd;
  }
  mp_child_adopt(c, pid, pidfd < 0 ? -1 : pidfd, 0);
  if (pidfd < 0)
    note_end(c, status_from_slot(c));
  return 0;
}

/* One look costs one system call; only waiting, or another's child, needs
** poll. */
int mp_child_wait(struct mp_child *c, int64_t deadline) {
  int rc, status = 0;
  if (!c->running)
    return 1;
  if (c->parent != mp_self_pid())
    return -ECHILD;
  if (c->stranger || deadline > 0) {
    rc = mp_poll_one(c->pidfd, POLLIN, deadline);
    if (rc <= 0)
      return rc;
  }
  rc = c->stranger ? -ECHILD : mp_pidfd_reap(c->pidfd, &status);
  return note(c, rc, status);
}

int mp_child_status(const struct mp_child *c) {
  return c->status;
}

int mp_child_signal(struct mp_child *c, int sig) {
  if (!c->running)
    return 0;
  if (c->parent != mp_self_pid())
    return -ECHILD;
  c->last_signal = sig;
  int rc = mp_pidfd_signal(c->pidfd, sig);
  return rc == -ESRCH ? 0 : rc;
}

pid_t mp_child_pid(const struct mp_child *c) {
  return c->pid;
}

mp_proc mp_child_proc(const struct mp_child *c) {
  return c->proc;
}

int mp_child_is_daemon(const struct mp_child *c) {
  return c->daemon;
}

/* Its pidfd was given back when its end was seen: what is always readable
** stands in for it. */
static int late_sentinel(struct mp_child *c) {
  uint64_t one = 1;
  int fd = mp_fd_eventfd();
  if (fd < 0)
    return fd;
  int rc = mp_fd_write_all(fd, &one, sizeof one);
  if (rc < 0) {
    mp_fd_close(fd);
    return rc;
  }
  return c->pidfd = fd;
}

int mp_child_sentinel(struct mp_child *c) {
  if (c->parent != mp_self_pid())
    return -ECHILD;
  c->wants_sentinel = 1;
  if (c->pidfd < 0)
    return late_sentinel(c);
  return c->pidfd;
}

void mp_child_keep(struct mp_child *c, int fd) {
  c->kept = fd;
}

int mp_child_kept(const struct mp_child *c) {
  return c->kept;
}

void mp_child_release(struct mp_child *c) {
  if (c->running && c->parent == mp_self_pid()) {
    c->has_handle = 0; /* the list keeps it until its end is seen */
    return;
  }
  if (c->parent == mp_self_pid())
    drop_descriptors(c);
  free(c);
}

/* --- all of them ---------------------------------------------------------- */

static int is_kind(const struct mp_child *c, const void *owner, int kind) {
  int own = c->kept >= 0 ? MP_CHILD_SERVER
            : c->daemon  ? MP_CHILD_DAEMON
                         : MP_CHILD_PLAIN;
  return c->owner == owner && (kind & own) != 0;
}

void mp_children_signal(const void *owner, int kind, int sig) {
  pthread_mutex_lock(&list_lock);
  for (struct mp_child *c = youngest; c != NULL; c = c->older) {
    if (is_kind(c, owner, kind))
      mp_child_signal(c, sig);
  }
  pthread_mutex_unlock(&list_lock);
}

static struct mp_child *find(const void *owner, int kind) {
  pthread_mutex_lock(&list_lock);
  struct mp_child *c = youngest;
  while (c != NULL && !is_kind(c, owner, kind))
    c = c->older;
  pthread_mutex_unlock(&list_lock);
  return c;
}

int mp_children_wait(const void *owner, int kind, int64_t deadline) {
  struct mp_child *c;
  while ((c = find(owner, kind)) != NULL) {
    int rc = mp_child_wait(c, deadline);
    if (rc <= 0)
      return rc;
    if (!c->has_handle)
      free(c);
  }
  return 1;
}

/*
** The records stay as they are, for writing to them would copy their pages;
** that their parent is another process makes them dead.  The lock may have
** been held by another thread of the parent.
*/
void mp_children_forget(void) {
  pthread_mutex_init(&list_lock, NULL);
  for (const struct mp_child *c = youngest; c != NULL; c = c->older) {
    close_copy(c->pidfd);
    close_copy(c->lifeline);
    close_copy(c->kept);
  }
  youngest = NULL;
}
