/*
** line.c: one line from the person at the prompt
** MIT licence, see LICENSE
**
** readline's own loop cannot be left from a signal, so the loop is here.
** Ctrl-C at the prompt: readline's handler notes it, rl_check_signals puts
** the terminal in order and passes the signal on to ours, which sets a flag.
*/

#include "host/line.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <readline/readline.h>

#include "host/complete.h"
#include "host/history.h"

static int editing;   /* is readline in use? */
static char *current; /* the last line, malloc'd: Lua may raise over it */
static size_t room;   /* its size, where getline needs to know */
static int finished;  /* has readline given a line, or the end? */
static volatile sig_atomic_t stopped; /* by Ctrl-C */

static void on_interrupt(int sig) {
  (void)sig;
  stopped = 1;
}

void mp_line_init(lua_State *L) {
  editing = isatty(STDIN_FILENO);
  if (!editing)
    return;
  rl_readline_name = "mplua"; /* for `$if mplua` in ~/.inputrc */
  rl_persistent_signal_handlers = 1; /* while we wait for keys, too */
  mp_complete_init(L);
  mp_history_init();
}

void mp_line_fini(void) {
  if (editing)
    mp_history_fini();
  free(current);
  current = NULL;
  room = 0;
}

void mp_line_save(const char *text) {
  if (editing)
    mp_history_add(text);
}

/* --- from a terminal ------------------------------------------------------ */

/* readline calls this with the line, or NULL at end of file. */
static void take_line(char *line) {
  rl_callback_handler_remove(); /* or it would show the prompt again */
  free(current);
  current = line;
  finished = 1;
}

/* readline's handler has noted a signal; this makes it act, which for Ctrl-C
** ends in ours.  That must not be blocked meanwhile. */
static void act_on_signals(const sigset_t *open_mask) {
  sigset_t blocked;
  sigprocmask(SIG_SETMASK, open_mask, &blocked);
  rl_check_signals();
  sigprocmask(SIG_SETMASK, &blocked, NULL);
}

/* Reads keys until the line is finished or stopped.  Ctrl-C is let through
** in ppoll only, so none is missed between a look at it and the wait. */
static void read_keys(const sigset_t *open_mask) {
  struct pollfd keys = {.fd = STDIN_FILENO, .events = POLLIN};
  while (!finished && !stopped) {
    if (ppoll(&keys, 1, NULL, open_mask) > 0)
      rl_callback_read_char();
    else
      act_on_signals(open_mask);
  }
}

/* What was typed is left on the screen, but void. */
static void drop_line(void) {
  rl_free_line_state();
  rl_callback_sigcleanup();
  rl_callback_handler_remove();
  fputs("\n", stdout);
  fflush(stdout);
}

static enum mp_line edit_line(const char *prompt) {
  struct sigaction ours = {.sa_handler = on_interrupt}, before;
  sigset_t interrupt, mask;
  sigemptyset(&ours.sa_mask);
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  finished = stopped = 0;
  sigprocmask(SIG_BLOCK, &interrupt, &mask);
  sigaction(SIGINT, &ours, &before);
  rl_callback_handler_install(prompt, take_line);
  read_keys(&mask);
  if (!finished)
    drop_line();
  sigaction(SIGINT, &before, NULL);
  sigprocmask(SIG_SETMASK, &mask, NULL);
  if (!finished)
    return MP_LINE_STOPPED;
  return current != NULL ? MP_LINE_TEXT : MP_LINE_END;
}

/* --- from anything else --------------------------------------------------- */

static enum mp_line plain_line(const char *prompt) {
  fputs(prompt, stdout);
  fflush(stdout);
  clearerr(stdin); /* Ctrl-C in a statement that reads leaves a mark */
  ssize_t n = getline(&current, &room, stdin);
  if (n < 0)
    return MP_LINE_END;
  if (n > 0 && current[n - 1] == '\n')
    current[n - 1] = '\0';
  return MP_LINE_TEXT;
}

enum mp_line mp_line_read(lua_State *L, const char *prompt) {
  enum mp_line got = editing ? edit_line(prompt) : plain_line(prompt);
  if (got == MP_LINE_TEXT)
    lua_pushstring(L, current);
  return got;
}
