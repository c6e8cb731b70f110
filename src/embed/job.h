/*
** job.h: what the newborn of a run is told
** MIT licence, see LICENSE
**
** One message from the host to the process that watches (watch.c), which the
** script's process inherits as a copy.  Both ends are our own code on one
** machine, but perhaps of two versions: the head says which.
**
**     | head | limits, flags, counts | string | string | ...
**     string: length u64 (all ones: none), the bytes, a NUL
*/

#ifndef MP_EMBED_JOB_H
#define MP_EMBED_JOB_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "mplua.h"
#include "os/isolate.h"

/* The word on the command line in the place of a birth's (proc/spawn.h). */
#define MP_RUN_WORD "isolated-run"

/* Descriptors of the newborn. */
enum { MP_RUN_CONTROL_FD = 3, MP_RUN_RESULT_FD, MP_RUN_OUTPUT_FD };

struct mp_text {
  const char *s; /* NULL: none; else a NUL stands behind it */
  size_t size;
};

struct mp_job {
  uint32_t flags; /* enum mplua_run_flags */
  double wall;    /* seconds; 0: none */
  uint64_t lua_memory;
  struct mp_limits limits;
  struct mp_text source, args, chunkname, directory, path, cpath;
  const char **environment; /* end with NULL; NULL: none */
  const char **syscalls;
};

/* 0 or -ENOMEM. */
int mp_job_write(const mplua_run_options *o, struct mp_text source,
                 struct mp_text args, struct mp_buf *b);

/* The strings point into data, the lists are malloc'd.  0; MPLUA_ECORRUPT:
** also the message of another version; -ENOMEM. */
int mp_job_read(struct mp_job *j, const void *data, size_t size);

/* What the one who watches answers when all is over. */
struct mp_run_answer {
  uint32_t magic;
  int32_t timed_out; /* it was killed for that */
  int32_t cancelled; /* or because the host said so */
  int32_t code;      /* negative: nothing was run, for this reason */
  int64_t wall_us;
  struct mp_usage usage;
};

#define MP_RUN_MAGIC UINT32_C(0x6D707231) /* a version of all this */

/* The first value of what the script's process sends; the others follow. */
enum mp_run_kind {
  MP_RUN_RETURNED, /* results */
  MP_RUN_RAISED,   /* message, traceback */
  MP_RUN_NO_MEMORY,
  MP_RUN_NOT_BEGUN /* message */
};

#endif
