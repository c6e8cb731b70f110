/*
** mplua.h: multiprocessing for Lua 5.4, for C hosts
** MIT licence, see LICENSE
**
** Read this first.
**
** - fork.  The start method "fork" copies the whole host: its memory, its
**   descriptors, its half-done work.  It is refused in a process with more
**   than one thread.  Pools made here start their workers by "forkserver",
**   which needs a fresh program to run: the host itself, if its `main` begins
**   with mplua_child_entry, or one that you name (`mplua`, for example).
**   Handles of this header belong to the process that made them; in a child
**   that you fork yourself, leave them alone.
** - Threads.  There is no lock around anything here: use one handle, or one
**   lua_State, in one thread at a time.  Different ones may be used in
**   different threads at the same time; nothing is shared between them but the
**   family's arena, which is made for that.
** - Signals.  No handler is installed and no mask changed in the host, SIGCHLD
**   is neither needed nor touched, and nothing waits for children that are not
**   ours.  A host may ignore SIGCHLD.  SIGPIPE is never raised.
** - Errors.  A function returns >= 0, or a negative code: a negative errno or
**   one of enum mplua_code.  mplua_strerror says what a code means; those that
**   take a struct mplua_error (NULL is allowed) say more there.  Nothing here
**   ends or aborts the process, and no Lua error leaves a function of this
**   header, but for the two that say so.
** - Time is in seconds, on the monotonic clock; a timeout below 0 is for ever.
**
** Compile and link with `pkg-config --cflags --libs mplua` (static:
** `pkg-config --static`).  docs/embedding.md is the guide.
*/

#ifndef MPLUA_H
#define MPLUA_H

#include <stddef.h>
#include <stdint.h>

#define MPLUA_VERSION "0.1.0"

#if defined(__GNUC__)
#define MPLUA_API __attribute__((visibility("default")))
#else
#define MPLUA_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct lua_State;

/* A C function as Lua calls it (lua_CFunction). */
typedef int (*mplua_cfunction)(struct lua_State *L);

/* --- codes and messages --------------------------------------------------- */

enum mplua_code {
  MPLUA_OK = 0,
  MPLUA_EEOF = -5004,      /* the other end is closed */
  MPLUA_ECLOSED = -5005,   /* the handle is closed */
  MPLUA_ECORRUPT = -5006,  /* bytes that are no message of ours */
  MPLUA_ETOOLONG = -5007,  /* the message is longer than is allowed */
  MPLUA_ELOST = -5014,     /* the process that should have answered is dead */
  MPLUA_ELUA = -5101,      /* a Lua error; the message says which */
  MPLUA_ENOTARGET = -5102, /* this program can not be started as a child */
  MPLUA_EBROKEN = -5103,   /* the pool's workers can not be kept alive */
  MPLUA_ETYPE = -5104      /* the value has another type, or is not there */
};

struct mplua_error {
  int code;
  char message[512]; /* cut to fit; ends with NUL */
};

/* What a code means: never NULL, not to be freed.  Any thread. */
MPLUA_API const char *mplua_strerror(int code);

/* The library's version, as "0.1.0".  Any thread. */
MPLUA_API const char *mplua_version(void);

/* --- the library in a lua_State ------------------------------------------- */

/*
** Lets `require "multiprocessing"` find the library built into this program.
** Call it once per lua_State, after luaL_openlibs.  Raises Lua's memory error,
** and nothing else.  The thread that uses L.
*/
MPLUA_API void mplua_openlibs(struct lua_State *L);

/* The loader itself, as `require` calls it: pushes the module's table.
** Raises Lua errors. */
MPLUA_API int luaopen_multiprocessing(struct lua_State *L);

/*
** The first statement of a host's `main` that wants to be its own target
** for spawn, forkserver, pools and runs.  Returns at once where the
** program was started by a person; where it was started as a child, it runs
** the child and does not return.  Before any thread is made.
**
** `open` (NULL: none) is called in the lua_State of every such child, when its
** libraries are there: register the host's types and functions in it.  An
** error that it raises ends the child.  Runs call it if they are told to.
*/
MPLUA_API void mplua_child_entry(int argc, char **argv);
MPLUA_API void mplua_child_entry_with(int argc, char **argv,
                                      mplua_cfunction open);

/*
** The program that spawn and forkserver run for processes that L starts from
** now on, instead of this one: one whose main begins with mplua_child_entry,
** `mplua`, or a lua5.4 that can load the module.  0, MPLUA_ELUA, -ENOMEM.
*/
MPLUA_API int mplua_set_executable(struct lua_State *L, const char *path,
                                   struct mplua_error *e);

/*
** Lets userdata with the metatable `name` (luaL_newmetatable; made if it is not
** there) travel between processes.  `reduce` gets the userdata and returns
** what it is made of, values that can be sent; `rebuild` gets these and
** returns a userdata.  Call it in every process that sends or receives the
** type (mplua_child_entry_with, or the pool's option `open`): an interpreter
** without it raises SerializationError and says so.
** 0, MPLUA_ELUA, -ENOMEM.  The thread that uses L.
*/
MPLUA_API int mplua_register_type(struct lua_State *L, const char *name,
                                  mplua_cfunction reduce,
                                  mplua_cfunction rebuild,
                                  struct mplua_error *e);

/* --- lists of values ------------------------------------------------------ */

/*
** Arguments on their way in, results on their way out: a list of Lua values,
** numbered from 1, built and read without a lua_State of the host's.
** Negative numbers count from the end: -1 is the last value.
*/
typedef struct mplua_values mplua_values;

/* Empty; NULL without memory.  mplua_values_free takes NULL, too. */
MPLUA_API mplua_values *mplua_values_new(void);
MPLUA_API void mplua_values_free(mplua_values *v);
MPLUA_API void mplua_values_clear(mplua_values *v);

/* Each appends a value, of which the list has its own copy.  0 or -ENOMEM. */
MPLUA_API int mplua_push_nil(mplua_values *v);
MPLUA_API int mplua_push_boolean(mplua_values *v, int b);
MPLUA_API int mplua_push_integer(mplua_values *v, int64_t n);
MPLUA_API int mplua_push_number(mplua_values *v, double n);
MPLUA_API int mplua_push_string(mplua_values *v, const char *s);
MPLUA_API int mplua_push_bytes(mplua_values *v, const void *p, size_t size);
MPLUA_API int mplua_push_table(mplua_values *v); /* an empty one */

/* The last value leaves the list and goes into the table before it: under a
** name, or behind the table's last item.  0, MPLUA_ETYPE, -ENOMEM. */
MPLUA_API int mplua_set_field(mplua_values *v, const char *name);
MPLUA_API int mplua_append(mplua_values *v);

/* How many values there are. */
MPLUA_API int mplua_count(const mplua_values *v);

enum mplua_type {
  MPLUA_TNONE = -1, /* beyond the end */
  MPLUA_TNIL,
  MPLUA_TBOOLEAN,
  MPLUA_TINTEGER,
  MPLUA_TNUMBER, /* a float */
  MPLUA_TSTRING,
  MPLUA_TTABLE,
  MPLUA_TOTHER /* functions, userdata */
};

MPLUA_API enum mplua_type mplua_type(const mplua_values *v, int i);

/* 0, or MPLUA_ETYPE: then *out is as it was.  An integer is a number, too; a
** float with an integral value is an integer, too. */
MPLUA_API int mplua_get_boolean(const mplua_values *v, int i, int *out);
MPLUA_API int mplua_get_integer(const mplua_values *v, int i, int64_t *out);
MPLUA_API int mplua_get_number(const mplua_values *v, int i, double *out);
/* Any bytes, with a NUL behind them; they live as long as the value is in the
** list.  `size` may be NULL. */
MPLUA_API int mplua_get_string(const mplua_values *v, int i, const char **s,
                               size_t *size);

/* Of the table that is value i: its length; or a field or item of it, which
** is appended to the list (nil, where there is none).  MPLUA_ETYPE; -ENOMEM. */
MPLUA_API int64_t mplua_get_length(const mplua_values *v, int i);
MPLUA_API int mplua_get_field(mplua_values *v, int i, const char *name);
MPLUA_API int mplua_get_item(mplua_values *v, int i, int64_t item);
MPLUA_API int mplua_pop(mplua_values *v, int n); /* the last n; 0, MPLUA_ETYPE */

/* The lua_State whose stack the values are, for hosts that speak Lua's API:
** index 1 is value 1.  It has no libraries; leave what you do not own. */
MPLUA_API struct lua_State *mplua_values_state(mplua_values *v);

/* Appends copies of n values from L's stack, from index `first` on.  Data
** only: no functions, no userdata.  0, MPLUA_ELUA, -ENOMEM. */
MPLUA_API int mplua_values_copy(mplua_values *v, struct lua_State *L,
                                int first, int n, struct mplua_error *e);

/* --- a host's socket as a connection --------------------------------------- */

enum mplua_connection_flags {
  MPLUA_CONNECTION_CODE = 1, /* functions may pass, both ways: for a peer that
                                is trusted as this program is */
  MPLUA_CONNECTION_COPY = 2  /* of the descriptor; else Lua owns fd from now on
                                and closes it */
};

/*
** Pushes a connection over `fd`, a stream socket of any kind: send, recv, poll,
** send_bytes, recv_bytes, fileno, close, mp.wait, as those of mp.Client.  The
** descriptor becomes nonblocking.  Each message is its length in eight bytes,
** little endian, then its bytes: those of send_bytes, or a value as
** docs/wire-format.md draws it.  Messages are limited to 256 MiB.
** 0; -ENOTSOCK, -EPROTOTYPE; MPLUA_ELUA; -ENOMEM, -EMFILE: then nothing is
** pushed and fd is yours.  The thread that uses L.
*/
MPLUA_API int mplua_push_connection(struct lua_State *L, int fd,
                                    unsigned flags, struct mplua_error *e);

/* The other end, for C: whole messages over a stream socket. */
typedef struct mplua_channel mplua_channel;

/* Takes fd, which becomes nonblocking.  0; -ENOTSOCK, -EPROTOTYPE; -ENOMEM. */
MPLUA_API int mplua_channel_open(mplua_channel **out, int fd);
MPLUA_API void mplua_channel_free(mplua_channel *c); /* closes; NULL is fine */

/* The longest message, sent or received: 256 MiB unless set. */
MPLUA_API void mplua_channel_limit(mplua_channel *c, size_t bytes);

/* Readable while there is something to receive. */
MPLUA_API int mplua_channel_fileno(const mplua_channel *c);

/* Sends value i of the list (Lua: recv), or bytes (recv_bytes).  0; 1: the
** timeout came first, the rest is sent by the next call or mplua_channel_flush;
** -ETIMEDOUT: not even the message before has gone, this one was not taken;
** MPLUA_EEOF: nobody reads any more; MPLUA_ETOOLONG, MPLUA_ETYPE, -ENOMEM. */
MPLUA_API int mplua_channel_send(mplua_channel *c, const mplua_values *v,
                                 int i, double timeout);
MPLUA_API int mplua_channel_send_bytes(mplua_channel *c, const void *p,
                                       size_t size, double timeout);
/* 0: all has gone; -ETIMEDOUT. */
MPLUA_API int mplua_channel_flush(mplua_channel *c, double timeout);

/* Receives a message and appends its value, or its bytes as a string.  Data
** only.  0; -ETIMEDOUT: call again, nothing is lost; MPLUA_EEOF; MPLUA_ETOOLONG:
** the channel is of no use any more; MPLUA_ECORRUPT; -ENOMEM. */
MPLUA_API int mplua_channel_recv(mplua_channel *c, mplua_values *v,
                                 double timeout);
MPLUA_API int mplua_channel_recv_bytes(mplua_channel *c, mplua_values *v,
                                       double timeout);

/* --- a script in an isolated process -------------------------------------- */

/*
** A run is one script in a process of its own that shares nothing with the
** host: no arena, no descriptor, no environment.  It is watched by a second
** process of ours, which enforces the time, kills whatever the script has
** started, and tells how it ended.  What comes back is data, and is checked
** before it is believed.
**
** What a run is no fence against, without seccomp: a script with all libraries
** acts as the host's user on files, network and other processes.  Where the
** watching process itself is killed, what the script has started may live on.
*/

enum mplua_run_flags {
  /* All of Lua's libraries and this one, C modules and bytecode.  Without it:
  ** no io, no debug, no package, of os the clock alone, no bytecode; `require`
  ** of Lua files, if there is a `path`. */
  MPLUA_RUN_ALL_LIBRARIES = 1,
  MPLUA_RUN_OPEN = 2, /* mplua_child_entry_with's function is called, too */
  MPLUA_RUN_NO_NEW_PRIVILEGES = 4,
  MPLUA_RUN_SECCOMP = 8, /* only system calls that pure Lua needs */
  MPLUA_RUN_SHOW_OUTPUT = 16, /* the host's standard output and error */
  MPLUA_RUN_DROP_OUTPUT = 32  /* to nobody.  Neither: into the report */
};

/* mplua_run_options_init fills in what stands in brackets; 0 is no limit. */
typedef struct mplua_run_options {
  unsigned flags;         /* [MPLUA_RUN_NO_NEW_PRIVILEGES] */
  double wall_seconds;    /* [10] from the start; everything is killed */
  double cpu_seconds;     /* [10] of one process */
  uint64_t lua_memory;    /* [64 MiB] Lua's "not enough memory" beyond it */
  uint64_t address_space; /* [0] bytes, RLIMIT_AS */
  uint64_t file_size;     /* [1 MiB] of a file that it writes */
  uint32_t fds;           /* [16] open descriptors; it has 4 from the start */
  uint32_t processes;     /* [0] of this user, RLIMIT_NPROC; not for root */
  size_t output_limit;    /* [1 MiB] captured bytes; beyond: it is killed */
  size_t result_limit;    /* [16 MiB] bytes of the results; likewise.  They
                             take up to 32 times that as Lua values here */
  const char *executable; /* [NULL: this program] see mplua_child_entry */
  const char *chunkname;  /* [NULL: "=script"] as for luaL_loadbuffer */
  const char *directory;  /* [NULL: the host's] to be in */
  const char *path;       /* [NULL: none; all libraries: Lua's] package.path */
  const char *cpath;      /* [NULL: Lua's] package.cpath; all libraries only */
  const char *const *environment; /* [NULL: none] "NAME=value"..., NULL */
  const char *const *syscalls; /* [NULL] more that MPLUA_RUN_SECCOMP allows:
                                  names, NULL */
} mplua_run_options;

enum mplua_outcome {
  MPLUA_RAN = 0,        /* it returned: mplua_run_results */
  MPLUA_RAN_ERROR,      /* it raised an error, or did not compile */
  MPLUA_RAN_MEMORY,     /* its Lua memory was used up */
  MPLUA_RAN_EXIT,       /* it ended without returning: os.exit, _exit */
  MPLUA_RAN_SIGNAL,     /* it crashed, or was killed by somebody else */
  MPLUA_RAN_CPU,        /* killed: CPU time */
  MPLUA_RAN_TIMEOUT,    /* killed: wall time */
  MPLUA_RAN_FLOOD,      /* killed: more output or results than allowed */
  MPLUA_RAN_FORBIDDEN,  /* killed: a system call outside the list */
  MPLUA_RAN_LIE,        /* what it sent is no message of ours */
  MPLUA_RAN_CANCELLED,  /* killed: mplua_run_kill */
  MPLUA_RAN_NOT,        /* it was not begun: a limit could not be set... */
  MPLUA_RAN_LOST        /* the process that watched it is dead */
};

typedef struct mplua_report {
  enum mplua_outcome outcome;
  int exit_status;       /* n from exit(n), -n from signal n */
  double wall_seconds;   /* of the run */
  double user_seconds;   /* of it and of the processes that it started */
  double system_seconds; /* likewise */
  int64_t max_rss;       /* bytes; of the largest of these processes */
  const char *error;     /* one line for people; "" after MPLUA_RAN */
  const char *traceback; /* after MPLUA_RAN_ERROR; else "" */
  const char *output;    /* what was captured, NUL-terminated */
  size_t output_size;
} mplua_report;

typedef struct mplua_run mplua_run;

MPLUA_API void mplua_run_options_init(mplua_run_options *o);

/*
** Starts a run of `source` (its `size` bytes), whose `...` are the values in
** `args` (NULL: none; data only).  Options and arguments are copied.  0 and
** *out, or a code: MPLUA_ENOTARGET; a negative errno where processes or
** descriptors are short.  Free the run with mplua_run_free.
*/
MPLUA_API int mplua_run_start(mplua_run **out, const char *source, size_t size,
                              const mplua_values *args,
                              const mplua_run_options *o,
                              struct mplua_error *e);

/* Has it ended?  1, or 0 after the timeout.  A signal handler of the host's
** does not end the wait.  A negative errno when it cannot be told. */
MPLUA_API int mplua_run_wait(mplua_run *r, double timeout);

/* Readable while mplua_run_wait(r, 0) has something to do: for event loops.
** It belongs to the run. */
MPLUA_API int mplua_run_fileno(const mplua_run *r);

/* Kills it and all that it started; wait for the report.  0, also after its
** end; a negative errno. */
MPLUA_API int mplua_run_kill(mplua_run *r);

/* After the end, else NULL.  Both live until mplua_run_free; the list is empty
** unless the outcome is MPLUA_RAN, and may be changed by its reader. */
MPLUA_API const mplua_report *mplua_run_report(const mplua_run *r);
MPLUA_API mplua_values *mplua_run_results(mplua_run *r);

/* The outcome in a word or two: "timeout".  Never NULL.  Any thread. */
MPLUA_API const char *mplua_outcome_name(enum mplua_outcome outcome);

/* Kills it if it runs, and gives everything back; NULL is allowed.  Blocks some
** milliseconds for a run that runs, a few seconds at the very most. */
MPLUA_API void mplua_run_free(mplua_run *r);

/* --- a pool of workers ------------------------------------------------------ */

/*
** A pool has a lua_State of its own, in which mp.Pool lives; its workers are
** processes of the family, and are trusted as the host is.  Calls are submitted
** at once and go on whatever the host does; their outcomes are handed to
** callbacks by mplua_pool_poll, in the thread that calls it, and nowhere else.
** Workers that die are replaced; a call whose worker died fails alone.
*/
typedef struct mplua_pool mplua_pool;

/* mplua_pool_options_init fills in what stands in brackets. */
typedef struct mplua_pool_options {
  int processes;            /* [0: one for each CPU] */
  int max_tasks_per_child;  /* [0: any number] then a worker is replaced */
  uint64_t memory_limit;    /* [0: none] bytes of Lua memory of a worker */
  const char *start_method; /* ["forkserver"], "spawn", "fork" */
  const char *executable;   /* [NULL: this program] see mplua_child_entry */
  const char *initializer;  /* [NULL] source that each worker runs first */
  const char *path, *cpath; /* [NULL: Lua's] where workers find modules */
  const char *name;         /* [NULL] of the workers, for logs */
  mplua_cfunction open;     /* [NULL] called in the pool's own lua_State, for
                               mplua_register_type; the workers' is that of
                               mplua_child_entry_with */
} mplua_pool_options;

/* What became of a call.  It lives as long as the callback runs. */
typedef struct mplua_result {
  int64_t task;          /* what submit returned */
  int code;              /* 0; MPLUA_ELUA: it raised; MPLUA_ELOST: its worker
                            died; -ETIMEDOUT; -ECANCELED; MPLUA_EBROKEN */
  const char *error;     /* "" when code is 0 */
  const char *traceback; /* of the worker, for MPLUA_ELUA; else "" */
  mplua_values *values;  /* what it returned; not to be freed */
} mplua_result;

/* May use its pool, but not poll it; may free it, too: then no further callback
** is called, and the pool goes when mplua_pool_poll returns. */
typedef void (*mplua_callback)(void *data, const mplua_result *result);

/* How a call is to be dealt with; all zero: no callback, no limits. */
typedef struct mplua_task {
  mplua_callback callback;
  void *data;     /* for the callback */
  double timeout; /* seconds that it may run; 0: any time */
  int retries;    /* further tries when its worker dies */
} mplua_task;

MPLUA_API void mplua_pool_options_init(mplua_pool_options *o);

/* Makes a pool and starts its workers; o may be NULL.  MPLUA_ENOTARGET;
** MPLUA_ELUA; a negative errno. */
MPLUA_API int mplua_pool_new(mplua_pool **out, const mplua_pool_options *o,
                             struct mplua_error *e);

/*
** Submits a call: of a function by its name in the workers, which is a global
** ("work") or "module.function", the module being required if need be; or of
** a chunk of source, whose `...` are the arguments; or of the function at
** L's stack[-nargs-1] with the nargs values above it, all of which are popped:
** functions travel with their upvalues and the globals they name.  `args` and
** `t` are copied and may be NULL.  The call's number (> 0), or a code:
** MPLUA_ELUA: an argument can not be sent; MPLUA_ECLOSED; MPLUA_EBROKEN...
*/
MPLUA_API int64_t mplua_pool_submit(mplua_pool *p, const char *function,
                                    const mplua_values *args,
                                    const mplua_task *t,
                                    struct mplua_error *e);
MPLUA_API int64_t mplua_pool_submit_source(mplua_pool *p, const char *source,
                                           const mplua_values *args,
                                           const mplua_task *t,
                                           struct mplua_error *e);
MPLUA_API int64_t mplua_pool_submit_stack(mplua_pool *p, struct lua_State *L,
                                          int nargs, const mplua_task *t,
                                          struct mplua_error *e);

/* Waits for outcomes, until there is one, or no call is left, or the timeout;
** calls the callbacks of all that are there.  Their number; -EBUSY from within
** a callback; MPLUA_EBROKEN and others, where nothing can come any more. */
MPLUA_API int mplua_pool_poll(mplua_pool *p, double timeout);

/* Readable while mplua_pool_poll(p, 0) has something to do: for event loops.
** The same number over the pool's life; it belongs to the pool. */
MPLUA_API int mplua_pool_fileno(const mplua_pool *p);

/* Calls whose outcomes have not been handed out. */
MPLUA_API int mplua_pool_pending(const mplua_pool *p);

/* Gives a call up: one that has not begun never runs, one that runs is killed
** with its worker.  1: its outcome will be -ECANCELED; 0: it had finished. */
MPLUA_API int mplua_pool_cancel(mplua_pool *p, int64_t task);

/* No more calls; those submitted are finished.  Or: all are cancelled and
** the workers killed.  Both return at once; outcomes are polled for. */
MPLUA_API int mplua_pool_close(mplua_pool *p);
MPLUA_API int mplua_pool_terminate(mplua_pool *p);

/* After one of these: waits until the workers have ended.  1; 0: the timeout
** came first.  Outcomes that came meanwhile can still be polled for. */
MPLUA_API int mplua_pool_join(mplua_pool *p, double timeout);

/* Kills workers that are left, gives everything back; callbacks that were not
** called never are.  NULL is allowed. */
MPLUA_API void mplua_pool_free(mplua_pool *p);

/* The pool's own lua_State.  What you push there, pop. */
MPLUA_API struct lua_State *mplua_pool_state(mplua_pool *p);

#ifdef __cplusplus
}
#endif

#endif
