/*
** run_report.c: what became of a run
** MIT licence, see LICENSE
**
** The watcher's word stands above the script's: what the script's process has
** said counts only if it then ended well by itself.
*/

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/code.h"
#include "embed/error.h"
#include "embed/run.h"
#include "embed/values.h"

static const char *const names[] = {
    "returned", "error",  "memory",    "exit", "signal",    "cpu",      "timeout",
    "flood",    "forbidden", "lie", "cancelled", "not begun", "lost"};

const char *mplua_outcome_name(enum mplua_outcome outcome) {
  unsigned i = (unsigned)outcome;
  return i < sizeof names / sizeof *names ? names[i] : "unknown";
}

static void conclude(struct mplua_run *r, enum mplua_outcome outcome,
                     const char *text) {
  r->report.outcome = outcome;
  snprintf(r->error.message, sizeof r->error.message, "%s", text);
}

/* --- how the process ended ------------------------------------------------ */

static double cpu_used(const struct mplua_run *r) {
  const struct mp_usage *u = &r->answer.usage;
  return (double)(u->user_us + u->system_us) / 1e6;
}

static void conclude_signal(struct mplua_run *r, int sig) {
  struct mplua_error *e = &r->error;
  int cpu = r->cpu > 0 && (sig == SIGPROF || sig == SIGXCPU ||
                           (sig == SIGKILL && cpu_used(r) >= r->cpu));
  if (cpu) {
    r->report.outcome = MPLUA_RAN_CPU;
    mp_fail(e, 0, "killed: more than %g s of CPU time", r->cpu);
  }
  else if (sig == SIGSYS) {
    r->report.outcome = MPLUA_RAN_FORBIDDEN;
    mp_fail(e, 0, "killed: a system call that is not allowed");
  }
  else {
    r->report.outcome = MPLUA_RAN_SIGNAL;
    const char *text = sigdescr_np(sig);
    mp_fail(e, 0, "killed by signal %d (%s)", sig, text != NULL ? text : "?");
  }
}

static void conclude_exit(struct mplua_run *r, int status) {
  r->report.outcome = MPLUA_RAN_EXIT;
  mp_fail(&r->error, 0, "ended with exit status %d and did not return",
          status);
}

/* Is it decided by what we did, or by what could not be done? */
static int conclude_by_host(struct mplua_run *r) {
  if (r->flooded)
    conclude(r, MPLUA_RAN_FLOOD, "killed: more output or results than allowed");
  else if (r->cancelled)
    conclude(r, MPLUA_RAN_CANCELLED, "killed on request");
  else if (r->lost)
    conclude(r, MPLUA_RAN_LOST, "the process that watched the script is dead");
  else if (r->answer.code < 0)
    conclude(r, MPLUA_RAN_NOT, mplua_strerror(r->answer.code));
  else if (r->answer.timed_out) {
    r->report.outcome = MPLUA_RAN_TIMEOUT;
    mp_fail(&r->error, 0, "killed: it ran longer than %g s", r->wall);
  }
  else
    return 0;
  return 1;
}

/* --- what the script said ------------------------------------------------- */

static const char *string_or_empty(const struct mplua_run *r, int i) {
  const char *s;
  return mplua_get_string(r->values, i, &s, NULL) < 0 ? "" : s;
}

static void conclude_failure(struct mplua_run *r, int kind) {
  const char *text = string_or_empty(r, 1);
  if (kind == MP_RUN_RAISED)
    conclude(r, MPLUA_RAN_ERROR, text);
  else if (kind == MP_RUN_NO_MEMORY)
    conclude(r, MPLUA_RAN_MEMORY, "not enough memory");
  else if (kind == MP_RUN_NOT_BEGUN)
    conclude(r, MPLUA_RAN_NOT, text);
  else
    conclude(r, MPLUA_RAN_LIE, "it sent what is no message of ours");
}

static void conclude_message(struct mplua_run *r) {
  const void *data;
  uint64_t size;
  int rc = mp_stream_recv(&r->result, 0, &data, &size); /* it is there */
  const char *p = data;
  if (rc >= 0 && size > 0)
    rc = mp_values_decode(r->values, p + 1, (size_t)size - 1);
  if (rc < 0 || size == 0)
    conclude(r, MPLUA_RAN_LIE, rc == -ENOMEM
                 ? "its results take too much memory"
                 : "it sent what is no message of ours");
  else if (*p == MP_RUN_RETURNED)
    conclude(r, MPLUA_RAN, "");
  else
    conclude_failure(r, *p);
}

static void measure(struct mplua_run *r) {
  const struct mp_usage *u = &r->answer.usage;
  r->report.exit_status = u->status;
  r->report.wall_seconds = (double)r->answer.wall_us / 1e6;
  r->report.user_seconds = (double)u->user_us / 1e6;
  r->report.system_seconds = (double)u->system_us / 1e6;
  r->report.max_rss = u->max_rss;
}

void mp_run_conclude(struct mplua_run *r) {
  int status = r->answer.usage.status;
  measure(r);
  r->report.traceback = "";
  if (conclude_by_host(r))
    ;
  else if (status < 0)
    conclude_signal(r, -status);
  else if (r->lied)
    conclude(r, MPLUA_RAN_LIE, "it sent a part of a message");
  else if (!r->has_message || status != 0)
    conclude_exit(r, status);
  else
    conclude_message(r);
  if (r->report.outcome == MPLUA_RAN_ERROR)
    r->report.traceback = string_or_empty(r, 2);
  else if (r->report.outcome != MPLUA_RAN)
    mplua_values_clear(r->values);
  r->report.error = r->error.message;
  if (mp_buf_put(&r->text, "", 1) < 0)
    r->text.len = 0;
  r->report.output = r->text.data != NULL ? (const char *)r->text.data : "";
  r->report.output_size = r->text.len > 0 ? r->text.len - 1 : 0;
}
