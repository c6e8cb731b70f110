/*
** signal.c: signal dispositions and masks of this process
** MIT licence, see LICENSE
*/

#include "os/signal.h"

#include <errno.h>
#include <string.h>

void mp_signal_block_all(sigset_t *old) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, old);
}

void mp_signal_restore(const sigset_t *old) {
  pthread_sigmask(SIG_SETMASK, old, NULL);
}

void mp_signal_unblock_all(void) {
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, NULL);
}

static void set_default(int sig) {
  struct sigaction sa;
  memset(&sa, 0, sizeof sa);
  sa.sa_handler = SIG_DFL;
  sigaction(sig, &sa, NULL); /* fails for SIGKILL and for libc's own */
}

static int is_ignored(int sig) {
  struct sigaction sa;
  return sigaction(sig, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN;
}

void mp_signal_defaults(sigset_t *set) {
  sigfillset(set);
  if (is_ignored(SIGHUP))
    sigdelset(set, SIGHUP);
}

void mp_signal_default_all(void) {
  sigset_t set;
  mp_signal_defaults(&set);
  for (int sig = 1; sig < NSIG; sig++) {
    if (sig != SIGKILL && sig != SIGSTOP && sigismember(&set, sig) == 1)
      set_default(sig);
  }
}

void mp_signal_die(int sig) {
  set_default(sig);
  mp_signal_unblock_all();
  raise(sig);
}

int mp_signal_send(int pid, int sig) {
  return kill(pid, sig) == 0 ? 0 : -errno;
}
