/*
** bell.c: a descriptor that any process of the family can make readable
** MIT licence, see LICENSE
*/

#include "os/bell.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/fd.h"

enum { DIGITS = 5 }; /* the kernel's own names are five hexadecimal digits */

/* --- this process's bells, for fork --------------------------------------- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct mp_bell *bells;

static void before_fork(void) {
  pthread_mutex_lock(&mutex);
}

static void after_fork(void) {
  pthread_mutex_unlock(&mutex);
}

/* A child that kept its parent's bell would steal its rings. */
static void in_child(void) {
  for (struct mp_bell *b = bells; b != NULL; b = b->next) {
    close(b->fd);
    b->name = 0;
    b->fd = -1;
  }
  bells = NULL;
  pthread_mutex_unlock(&mutex);
}

static void watch_forks(void) {
  pthread_atfork(before_fork, after_fork, in_child);
}

static void enlist(struct mp_bell *b) {
  pthread_once(&once, watch_forks);
  pthread_mutex_lock(&mutex);
  b->next = bells;
  b->link = &bells;
  if (bells != NULL)
    bells->link = &b->next;
  bells = b;
  pthread_mutex_unlock(&mutex);
}

static void delist(struct mp_bell *b) {
  pthread_mutex_lock(&mutex);
  *b->link = b->next;
  if (b->next != NULL)
    b->next->link = b->link;
  pthread_mutex_unlock(&mutex);
}

/* --- names ---------------------------------------------------------------- */

static socklen_t address_of(uint32_t name, struct sockaddr_un *sa) {
  char digits[DIGITS + 1];
  memset(sa, 0, sizeof(*sa));
  sa->sun_family = AF_UNIX;
  snprintf(digits, sizeof(digits), "%05x", (unsigned)(name & 0xfffff));
  memcpy(sa->sun_path + 1, digits, DIGITS);
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + DIGITS);
}

/* The name that the kernel gave to fd; bit 20 makes it differ from 0. */
static int name_of(int fd, uint32_t *name) {
  struct sockaddr_un sa;
  socklen_t len = sizeof(sa);
  char digits[DIGITS + 1] = "";
  if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
    return -errno;
  if (len != offsetof(struct sockaddr_un, sun_path) + 1 + DIGITS)
    return -EPROTO;
  memcpy(digits, sa.sun_path + 1, DIGITS);
  *name = (uint32_t)strtoul(digits, NULL, 16) | 0x100000u;
  return 0;
}

/* --- bells ---------------------------------------------------------------- */

static int open_socket(void) {
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    fd = -errno;
  return mp_fd_lift(fd);
}

int mp_bell_open(struct mp_bell *b) {
  static const sa_family_t family = AF_UNIX; /* no name: the kernel's choice */
  uint32_t name = 0;
  int fd = open_socket();
  if (fd < 0)
    return fd;
  int rc = bind(fd, (const struct sockaddr *)(const void *)&family,
                sizeof(family));
  rc = rc < 0 ? -errno : name_of(fd, &name);
  if (rc < 0) {
    mp_fd_close(fd);
    return rc;
  }
  b->fd = fd;
  b->name = name;
  enlist(b);
  return 0;
}

void mp_bell_close(struct mp_bell *b) {
  if (b->name == 0)
    return;
  delist(b);
  mp_fd_close(b->fd);
  b->name = 0;
}

void mp_bell_drain(struct mp_bell *b) {
  char byte;
  while (recv(b->fd, &byte, 1, MSG_DONTWAIT) >= 0)
    ;
}

/* A socket of its own for each ring: none to keep, to count, to lose. */
int mp_bell_ring(uint32_t name) {
  struct sockaddr_un sa;
  socklen_t len = address_of(name, &sa);
  int rc = 0, fd = open_socket();
  if (fd < 0)
    return fd;
  if (sendto(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL,
             (const struct sockaddr *)&sa, len) < 0)
    rc = errno == EAGAIN ? 0 : -errno; /* full: it rings already */
  mp_fd_close(fd);
  return rc;
}
