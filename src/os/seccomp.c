/*
** seccomp.c: a list of the system calls that a process may still make
** MIT licence, see LICENSE
*/

#include "os/seccomp.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define KILL_PROCESS UINT32_C(0x80000000)
#define ALLOW        UINT32_C(0x7FFF0000)

enum { NO_SUCH_CALL = -1 };

/* The five functions of libseccomp 2.x that are used. */
struct library {
  void *(*init)(uint32_t action);
  int (*add)(void *filter, uint32_t action, int call, unsigned count,
             const void *args);
  int (*load)(const void *filter);
  void (*release)(void *filter);
  int (*resolve)(const char *name);
};

static const char *const needed[] = {
    "brk", "mmap", "munmap", "mremap", "mprotect", "madvise",
    "read", "readv", "write", "writev", "sendto", "lseek", "close", "fstat",
    "newfstatat", "futex", "exit", "exit_group", "rt_sigreturn",
    "rt_sigprocmask", "rt_sigaction", "restart_syscall", "tgkill", "getpid",
    "gettid", "sched_yield", "clock_gettime", "clock_getres",
    "clock_nanosleep", "nanosleep", "gettimeofday", "time", "times",
    "getrusage", "getrandom", "sysinfo", NULL};

/* ISO C has no cast from an object pointer to a function's. */
static int find(void *lib, const char *name, void *function) {
  void *p = dlsym(lib, name);
  memcpy(function, &p, sizeof p);
  return p != NULL;
}

static int open_library(struct library *s) {
  void *lib = dlopen("libseccomp.so.2", RTLD_NOW);
  if (lib == NULL)
    return -ENOSYS;
  int found = find(lib, "seccomp_init", &s->init) &&
              find(lib, "seccomp_rule_add_array", &s->add) &&
              find(lib, "seccomp_load", &s->load) &&
              find(lib, "seccomp_release", &s->release) &&
              find(lib, "seccomp_syscall_resolve_name", &s->resolve);
  return found ? 0 : -ENOSYS;
}

/* `strict`: a name that this machine does not know is an error. */
static int allow(const struct library *s, void *filter,
                 const char *const *names, int strict, const char **bad) {
  for (; names != NULL && *names != NULL; names++) {
    int call = s->resolve(*names);
    *bad = *names;
    if (call == NO_SUCH_CALL && strict)
      return -EINVAL;
    if (call == NO_SUCH_CALL)
      continue;
    int rc = s->add(filter, ALLOW, call, 0, NULL);
    if (rc < 0 && strict)
      return rc;
  }
  return 0;
}

int mp_seccomp_allow_only(const char *const *more, const char **bad) {
  struct library s;
  int rc = open_library(&s);
  *bad = "libseccomp.so.2";
  if (rc < 0)
    return rc;
  void *filter = s.init(KILL_PROCESS);
  if (filter == NULL)
    return -ENOMEM;
  rc = allow(&s, filter, needed, 0, bad);
  if (rc >= 0)
    rc = allow(&s, filter, more, 1, bad);
  if (rc >= 0) {
    *bad = "the filter";
    rc = s.load(filter);
  }
  s.release(filter);
  return rc;
}
