/*
** run.h: the host's side of a run
** MIT licence, see LICENSE
**
**     running --(the watcher's answer, or its death)--> ended
**
** run.c is the life of a run: start, wait, kill, free; run_report.c says what
** became of it.
*/

#ifndef MP_EMBED_RUN_H
#define MP_EMBED_RUN_H

#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "chan/stream.h"
#include "embed/job.h"
#include "mplua.h"

struct mplua_run {
  pid_t owner; /* a forked child's copy of this is not to kill anything */
  pid_t pid;   /* of the watcher; 0: none */
  int pidfd;
  struct mp_stream control; /* the watcher's answer */
  struct mp_stream result;  /* the script's message */
  int output;               /* what it prints; -1: not ours, or at its end */
  int set;                  /* all of these behind one descriptor */
  int timer;
  int has_message;   /* it stays in `result` until the end */
  int flooded, lied, cancelled, lost;
  int ended;
  int64_t start;
  int64_t deadline; /* when the watcher is given up, too */
  size_t output_limit, result_limit;
  double cpu, wall; /* limits, for messages */
  struct mp_buf text; /* captured output */
  struct mp_run_answer answer;
  mplua_values *values; /* all that came in the message */
  mplua_report report;
  struct mplua_error error;
};

/* Fills in the report; the run has ended. */
void mp_run_conclude(struct mplua_run *r);

#endif
