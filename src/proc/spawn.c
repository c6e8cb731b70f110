/*
** spawn.c: the start method that begins with a fresh program
** MIT licence, see LICENSE
*/

#include "proc/spawn.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "os/fd.h"
#include "os/spawn.h"
#include "proc/boot.h"

void mp_birth_write(const struct mp_birth *b, char text[MP_BIRTH_TEXT]) {
  snprintf(text, MP_BIRTH_TEXT,
           "%" PRIu32 ":%" PRIu64 ":%" PRIu64 ":%d:%d", b->slot, b->settings,
           b->payload, b->has_lifeline, b->server_fd);
}

int mp_birth_read(const char *text, struct mp_birth *b) {
  int n = sscanf(text, "%" SCNu32 ":%" SCNu64 ":%" SCNu64 ":%d:%d", &b->slot,
                 &b->settings, &b->payload, &b->has_lifeline, &b->server_fd);
  return n == 5 ? 0 : -EINVAL;
}

/* Descriptor 4 is always there, so that the numbers of the others are fixed:
** a child without a lifeline gets the arena's a second time. */
int mp_child_spawn(struct mp_child *c, struct mp_arena *a, char *const *argv,
                   int extra) {
  int lifeline = mp_child_lifeline(c);
  int fds[] = {a->fd, lifeline >= 0 ? lifeline : a->fd, extra};
  struct mp_spawn s = {argv[0], argv, fds, extra >= 0 ? 3 : 2};
  pid_t pid = mp_spawn(&s);
  int rc = pid < 0 ? pid : mp_child_adopt_own(c, pid);
  if (rc < 0)
    mp_child_abort(c);
  return rc;
}

int mp_birth_boot(const struct mp_birth *b, struct mp_arena **out) {
  mp_fd_set_cloexec(MP_BIRTH_ARENA_FD, 1);
  mp_fd_set_cloexec(MP_BIRTH_LIFELINE_FD, 1);
  if (b->server_fd >= 0)
    mp_fd_set_cloexec(MP_BIRTH_EXTRA_FD, 1);
  int rc = mp_arena_join(MP_BIRTH_ARENA_FD);
  if (rc >= 0)
    rc = mp_arena_self(out);
  if (rc < 0)
    return rc;
  struct mp_boot boot = {*out, b->slot, MP_BIRTH_LIFELINE_FD};
  if (!b->has_lifeline) {
    mp_fd_close(MP_BIRTH_LIFELINE_FD);
    boot.lifeline = -1;
  }
  return mp_boot(&boot);
}
