/*
** shim.c: the libc calls that take something from the machine, made to fail
** MIT licence, see LICENSE
**
** Preloaded into the program under test.  Each function here counts, fails
** with the error that a machine without room would give if it is the one that
** was ordered to (fault.h), and calls libc's otherwise.  Safe in any process,
** after fork, in a signal handler.
*/

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "fault.h"

#define EXPORT __attribute__((visibility("default")))

static struct fault_control *control;
static _Atomic long live;

/* libc's own: they are there before anything could be looked up. */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void __libc_free(void *);

EXPORT void (*fault_show_lua)(void);

EXPORT long fault_live(void) {
  return live;
}

/* By system calls alone: nothing that is counted. */
EXPORT struct fault_control *fault_attach(void) {
  const char *path = getenv("MPLUA_FAULT");
  if (path == NULL)
    return NULL;
  long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
  if (fd < 0)
    return NULL;
  long at = syscall(SYS_mmap, NULL, sizeof *control, PROT_READ | PROT_WRITE,
                    MAP_SHARED, fd, 0L);
  syscall(SYS_close, fd);
  return at < 0 && at > -4096 ? NULL : (struct fault_control *)at;
}

__attribute__((constructor)) static void begin(void) {
  void *frames[2];
  backtrace(frames, 2); /* it loads a library at its first call */
  control = fault_attach();
}

static int is_counted(const struct fault_control *c, uint32_t kind) {
  if ((c->kinds & kind) == 0)
    return 0;
  if (c->who == FAULT_ALL)
    return 1;
  return (getpid() == c->owner) == (c->who == FAULT_OWNER);
}

static void show(const char *name, uint64_t n) {
  void *frames[24];
  char line[80];
  int len = snprintf(line, sizeof line, "--- %s fails, call %llu, pid %d\n",
                     name, (unsigned long long)n, (int)getpid());
  if (write(2, line, (size_t)len) < 0)
    return;
  backtrace_symbols_fd(frames, backtrace(frames, 24), 2);
  if (fault_show_lua != NULL)
    fault_show_lua();
}

static int fails(uint32_t kind, const char *name, int err) {
  struct fault_control *c = control;
  if (c == NULL || !is_counted(c, kind))
    return 0;
  uint64_t n = atomic_fetch_add(&c->seen, 1) + 1;
  if (n < c->first || n > c->last)
    return 0;
  c->failed++;
  strncpy(c->what, name, sizeof c->what - 1);
  if (c->trace) {
    c->kinds = 0; /* what it allocates itself */
    show(name, n);
    c->kinds = kind;
  }
  errno = err;
  return 1;
}

/* --- memory --- */

EXPORT void *malloc(size_t n) {
  if (fails(FAULT_MEMORY, "malloc", ENOMEM))
    return NULL;
  void *p = __libc_malloc(n);
  live += p != NULL;
  return p;
}

EXPORT void *calloc(size_t n, size_t size) {
  if (fails(FAULT_MEMORY, "calloc", ENOMEM))
    return NULL;
  void *p = __libc_calloc(n, size);
  live += p != NULL;
  return p;
}

EXPORT void *realloc(void *old, size_t n) {
  if (n > 0 && fails(FAULT_MEMORY, "realloc", ENOMEM))
    return NULL;
  void *p = __libc_realloc(old, n);
  if (old == NULL)
    live += p != NULL;
  else
    live -= n == 0;
  return p;
}

EXPORT void free(void *p) {
  live -= p != NULL;
  __libc_free(p);
}

/* --- the rest --- */

/* The next definition of a function: libc's. */
#define NEXT(name) \
  static __typeof__(&name) next; \
  if (next == NULL) \
    *(void **)&next = dlsym(RTLD_NEXT, #name)

#define FAILS(name, err) fails(FAULT_SYSTEM, #name, err)

EXPORT void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t off) {
  NEXT(mmap);
  return FAILS(mmap, ENOMEM) ? MAP_FAILED : next(at, n, prot, flags, fd, off);
}

EXPORT int fallocate(int fd, int mode, off_t off, off_t n) {
  NEXT(fallocate);
  return FAILS(fallocate, ENOSPC) ? -1 : next(fd, mode, off, n);
}

EXPORT int ftruncate(int fd, off_t n) {
  NEXT(ftruncate);
  return FAILS(ftruncate, ENOSPC) ? -1 : next(fd, n);
}

EXPORT int memfd_create(const char *name, unsigned flags) {
  NEXT(memfd_create);
  return FAILS(memfd_create, EMFILE) ? -1 : next(name, flags);
}

EXPORT int shm_open(const char *name, int flags, mode_t mode) {
  NEXT(shm_open);
  return FAILS(shm_open, EMFILE) ? -1 : next(name, flags, mode);
}

EXPORT pid_t fork(void) {
  NEXT(fork);
  return FAILS(fork, EAGAIN) ? -1 : next();
}

EXPORT int posix_spawn(pid_t *pid, const char *path,
                       const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes,
                       char *const argv[], char *const envp[]) {
  NEXT(posix_spawn);
  return FAILS(posix_spawn, EAGAIN)
             ? EAGAIN
             : next(pid, path, actions, attributes, argv, envp);
}

EXPORT int pipe2(int pair[2], int flags) {
  NEXT(pipe2);
  return FAILS(pipe2, EMFILE) ? -1 : next(pair, flags);
}

EXPORT int socket(int family, int type, int protocol) {
  NEXT(socket);
  return FAILS(socket, EMFILE) ? -1 : next(family, type, protocol);
}

EXPORT int socketpair(int family, int type, int protocol, int pair[2]) {
  NEXT(socketpair);
  return FAILS(socketpair, ENFILE) ? -1 : next(family, type, protocol, pair);
}

EXPORT int accept4(int fd, struct sockaddr *sa, socklen_t *n, int flags) {
  NEXT(accept4);
  return FAILS(accept4, EMFILE) ? -1 : next(fd, sa, n, flags);
}

EXPORT int connect(int fd, const struct sockaddr *sa, socklen_t n) {
  NEXT(connect);
  return FAILS(connect, EAGAIN) ? -1 : next(fd, sa, n);
}

EXPORT int listen(int fd, int backlog) {
  NEXT(listen);
  return FAILS(listen, ENOBUFS) ? -1 : next(fd, backlog);
}

EXPORT int dup2(int from, int to) {
  NEXT(dup2);
  return FAILS(dup2, EMFILE) ? -1 : next(from, to);
}

EXPORT int epoll_create1(int flags) {
  NEXT(epoll_create1);
  return FAILS(epoll_create1, EMFILE) ? -1 : next(flags);
}

EXPORT int epoll_ctl(int ep, int op, int fd, struct epoll_event *e) {
  NEXT(epoll_ctl);
  if (op == EPOLL_CTL_ADD && FAILS(epoll_ctl, ENOMEM))
    return -1;
  return next(ep, op, fd, e);
}

EXPORT int eventfd(unsigned first, int flags) {
  NEXT(eventfd);
  return FAILS(eventfd, EMFILE) ? -1 : next(first, flags);
}

EXPORT int timerfd_create(int clock, int flags) {
  NEXT(timerfd_create);
  return FAILS(timerfd_create, EMFILE) ? -1 : next(clock, flags);
}

EXPORT int open(const char *path, int flags, ...) {
  NEXT(open);
  va_list args;
  va_start(args, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
  va_end(args);
  return FAILS(open, EMFILE) ? -1 : next(path, flags, mode);
}

/* Only its copies of descriptors take anything. */
static int any_fcntl(int fd, int command, void *argument) {
  NEXT(fcntl);
  if (command == F_DUPFD_CLOEXEC && FAILS(fcntl, EMFILE))
    return -1;
  return next(fd, command, argument);
}

EXPORT int fcntl(int fd, int command, ...) {
  va_list args;
  va_start(args, command);
  void *argument = va_arg(args, void *);
  va_end(args);
  return any_fcntl(fd, command, argument);
}

EXPORT int fcntl64(int fd, int command, ...) {
  va_list args;
  va_start(args, command);
  void *argument = va_arg(args, void *);
  va_end(args);
  return any_fcntl(fd, command, argument);
}

/* What libc has no function for. */
EXPORT long syscall(long number, ...) {
  NEXT(syscall);
  long a[6];
  va_list args;
  va_start(args, number);
  for (int i = 0; i < 6; i++)
    a[i] = va_arg(args, long);
  va_end(args);
  if (number == SYS_pidfd_open && FAILS(pidfd_open, EMFILE))
    return -1;
  return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
