/*
** server.c: the forkserver, and its clients
** MIT licence, see LICENSE
*/

#include "proc/server.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/code.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/poll.h"
#include "os/reap.h"
#include "os/signal.h"
#include "os/spawn.h"
#include "proc/boot.h"

struct answer {
  int32_t code; /* 0 or a negative code */
  int32_t pid;
};

/* --- the client ----------------------------------------------------------- */

int mp_child_request(struct mp_child *c, int sock, const struct mp_birth *b) {
  int lifeline = mp_child_lifeline(c);
  int rc = mp_fd_send(sock, b, sizeof *b, &lifeline, lifeline >= 0);
  return rc < 0 ? MP_ELOST : 0;
}

static int receive_answer(int sock, struct answer *answer, int *pidfd) {
  int nfds = 1;
  *pidfd = -1;
  ssize_t n = mp_fd_recv(sock, answer, sizeof *answer, pidfd, &nfds);
  if (n != (ssize_t)sizeof *answer)
    return MP_ELOST;
  if (nfds == 0)
    *pidfd = -1;
  return 0;
}

int mp_child_answer(struct mp_child *c, int sock) {
  struct answer answer;
  int pidfd;
  int rc = mp_poll_one(sock, POLLIN, MP_FOREVER);
  if (rc < 0)
    return rc;
  rc = receive_answer(sock, &answer, &pidfd);
  if (rc < 0)
    return rc;
  if (answer.code < 0) {
    mp_child_abort(c);
    return answer.code;
  }
  mp_child_adopt(c, answer.pid, pidfd, 1);
  return 0;
}

/* --- the server ----------------------------------------------------------- */

struct ward { /* a child of the server, somebody else's in spirit */
  mp_proc slot;
  pid_t pid;
};

struct mp_server {
  struct mp_arena *arena;
  int sock;
  int n, room;
  struct pollfd *fds; /* [0]: the socket; [i + 1]: the pidfd of wards[i] */
  struct ward *wards;
};

static int make_room(struct mp_server *s) {
  if (s->n < s->room)
    return 0;
  int room = s->room * 2 + 16;
  struct pollfd *fds = realloc(s->fds, sizeof *fds * ((size_t)room + 1));
  if (fds == NULL)
    return -ENOMEM;
  s->fds = fds;
  struct ward *wards = realloc(s->wards, sizeof *wards * (size_t)room);
  if (wards == NULL)
    return -ENOMEM;
  s->wards = wards;
  s->room = room;
  return 0;
}

struct mp_server *mp_server_new(struct mp_arena *a, int sock) {
  struct mp_server *s = calloc(1, sizeof *s);
  if (s == NULL || make_room(s) < 0) {
    free(s);
    return NULL;
  }
  s->arena = a;
  s->sock = sock;
  s->fds[0].fd = sock;
  s->fds[0].events = POLLIN;
  return s;
}

static void forget_ward(struct mp_server *s, int i) {
  mp_fd_close(s->fds[i + 1].fd);
  s->n--;
  s->fds[i + 1] = s->fds[s->n + 1];
  s->wards[i] = s->wards[s->n];
}

static void reap_wards(struct mp_server *s) {
  for (int i = s->n - 1; i >= 0; i--) {
    int status = MP_STATUS_UNKNOWN;
    if (s->fds[i + 1].revents == 0 ||
        mp_pidfd_reap(s->fds[i + 1].fd, &status) == 0)
      continue;
    mp_slot_note_status(s->arena, s->wards[i].slot, status);
    forget_ward(s, i);
  }
}

/* The newborn has nothing of the server: not its socket, not its wards. */
static void leave_server(struct mp_server *s) {
  for (int i = 0; i < s->n; i++)
    mp_fd_close(s->fds[i + 1].fd);
  mp_fd_close(s->sock);
  free(s->fds);
  free(s->wards);
  free(s);
}

static void answer_with(struct mp_server *s, int code, pid_t pid, int pidfd) {
  struct answer answer = {code, pid};
  mp_fd_send(s->sock, &answer, sizeof answer, &pidfd, pidfd >= 0);
}

static void adopt_ward(struct mp_server *s, mp_proc slot, pid_t pid) {
  int pidfd = mp_pidfd_open(pid);
  if (pidfd < 0) {
    mp_signal_send(pid, SIGKILL);
    mp_pid_reap(pid);
    answer_with(s, pidfd, 0, -1);
    return;
  }
  answer_with(s, 0, pid, pidfd);
  s->wards[s->n].slot = slot;
  s->wards[s->n].pid = pid;
  s->fds[++s->n].fd = pidfd;
  s->fds[s->n].events = POLLIN;
  s->fds[s->n].revents = 0;
}

/* 1 in the newborn. */
static int fork_ward(struct mp_server *s, const struct mp_birth *b,
                     int lifeline) {
  sigset_t old;
  int rc = make_room(s);
  if (rc < 0) {
    answer_with(s, rc, 0, -1);
    return 0;
  }
  mp_signal_block_all(&old);
  pid_t pid = mp_fork();
  if (pid == 0) {
    struct mp_boot boot = {s->arena, b->slot, lifeline};
    leave_server(s);
    if (mp_boot(&boot) < 0)
      mp_exit_now(EXIT_FAILURE);
    return 1;
  }
  if (pid < 0)
    answer_with(s, pid, 0, -1);
  else
    adopt_ward(s, b->slot, pid);
  mp_signal_restore(&old);
  return 0;
}

/* 1 in the newborn, 0 after a request, MP_EEOF when the client is gone. */
static int serve_one(struct mp_server *s, struct mp_birth *b) {
  int lifeline = -1, nfds = 1;
  ssize_t n = mp_fd_recv(s->sock, b, sizeof *b, &lifeline, &nfds);
  if (n != (ssize_t)sizeof *b)
    return MP_EEOF;
  if (nfds == 0)
    lifeline = -1;
  int rc = fork_ward(s, b, lifeline);
  if (rc == 0 && lifeline >= 0)
    mp_fd_close(lifeline);
  return rc;
}

int mp_server_run(struct mp_server *s, struct mp_birth *b) {
  for (;;) {
    int rc = mp_poll(s->fds, s->n + 1, MP_FOREVER);
    if (rc == -EINTR)
      continue;
    if (rc < 0)
      return rc;
    reap_wards(s);
    if (s->fds[0].revents == 0)
      continue;
    rc = serve_one(s, b);
    if (rc == 1)
      return 1;
    if (rc < 0)
      return 0;
  }
}
