/*
** output.c: lines of several processes in one file
** MIT licence, see LICENSE
*/

#include "sync/output.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio_ext.h>
#include <string.h>

#include "os/clock.h"
#include "os/poll.h"
#include "os/self.h"
#include "shm/slot.h"
#include "sync/lock.h"

/* --- the locks ------------------------------------------------------------ */

struct output {
  alignas(64) struct mp_lock lock;
  _Atomic uint64_t whose; /* the file that the holder writes to */
};

enum { MP_OUTPUTS = MP_ROOT / sizeof(struct output) };

/* A lock of the arena's root is zero at first; all write the same type. */
static struct output *output_of(struct mp_arena *a, uint64_t key) {
  struct output *o = (struct output *)mp_arena_root(a) + key % MP_OUTPUTS;
  o->lock.head.type = MP_T_LOCK;
  return o;
}

/* A hold, or the want of one. */
struct hold {
  struct mp_arena *arena;
  struct output *output; /* NULL: no lock is needed, or to be had */
  uint64_t key;
  mp_proc suspect; /* the holder, when it was seen stopped */
};

static uint32_t holder_of(const struct output *o) {
  return atomic_load(&o->lock.word) & MP_LOCK_OWNER;
}

static int is_stopped(struct mp_arena *a, mp_proc p) {
  struct mp_slot_info info;
  return mp_slot_info(a, p, &info) == 0 && info.state == MP_LIVE &&
         mp_proc_is_stopped(info.pid);
}

/*
** A few slices have not been enough.  Stopped twice in a row: where a whole
** group was stopped and goes on, the first look may find a holder that is just
** about to.  0: it is ours, or there is none; -EAGAIN: wait on.
*/
static int doubt(struct hold *h) {
  mp_proc holder = holder_of(h->output);
  if (holder == 0)
    return -EAGAIN;
  if (atomic_load(&h->output->whose) != h->key) {
    h->output = NULL;
    return 0;
  }
  if (!is_stopped(h->arena, holder)) {
    h->suspect = 0;
    return -EAGAIN;
  }
  if (h->suspect == holder)
    return mp_lock_take_over(h->arena, &h->output->lock, holder);
  h->suspect = holder;
  return -EAGAIN;
}

/* 0, with or without a lock, or -EINTR. */
static int acquire(struct hold *h, mp_output_stop *stop, void *ctx) {
  int rc = -EAGAIN;
  h->suspect = 0;
  while (h->output != NULL && rc == -EAGAIN) {
    rc = mp_lock_acquire(h->arena, &h->output->lock, MP_FOREVER);
    if (rc == -EINTR) {
      if (stop != NULL && stop(ctx))
        return -EINTR;
      rc = doubt(h);
    } else if (rc < 0) {
      h->output = NULL; /* no slot, a damaged arena: better torn than lost */
    }
  }
  if (h->output != NULL)
    atomic_store(&h->output->whose, h->key);
  return 0;
}

/* Somebody may have taken it over. */
static int is_lost(const struct hold *h) {
  return h->output != NULL && !mp_lock_is_mine(h->arena, &h->output->lock);
}

static void release(struct hold *h) {
  if (h->output != NULL && !is_lost(h))
    mp_lock_leave(&h->output->lock);
}

/* --- which lock ----------------------------------------------------------- */

/* What stdout and stderr are is looked up every so many times: somebody may
** have put another file under the descriptor. */
enum { LOOK_AGAIN = 64 };

struct known {
  int fd, uses, is_tearing;
  uint64_t key;
};

static int look_up(int fd, uint64_t *key) {
  static _Thread_local struct known known[2];
  if (fd != 1 && fd != 2)
    return mp_fd_is_tearing(fd, key);
  struct known *k = &known[fd - 1];
  if (k->uses-- == 0) {
    k->uses = LOOK_AGAIN;
    k->is_tearing = mp_fd_is_tearing(fd, &k->key);
  }
  *key = k->key;
  return k->is_tearing;
}

static void init(struct hold *h, int fd) {
  h->output = NULL;
  h->arena = mp_arena_if_any();
  if (h->arena != NULL && look_up(fd, &h->key))
    h->output = output_of(h->arena, h->key);
}

/* --- how much goes out ---------------------------------------------------- */

/* One call: what waits in the buffer, then the text, as one stream. */
struct job {
  FILE *file;
  int n;
  struct mp_span span[MP_OUTPUT_SPANS + 1];
  size_t total, out, done; /* bytes in all, that go out, that went */
};

static size_t last_line_end(const struct job *j) {
  size_t at = j->total; /* where span i begins */
  for (int i = j->n - 1; i >= 0; i--) {
    at -= j->span[i].len;
    const char *nl = j->span[i].len > 0
                         ? memrchr(j->span[i].data, '\n', j->span[i].len)
                         : NULL;
    if (nl != NULL)
      return at + (size_t)(nl - j->span[i].data) + 1;
  }
  return 0;
}

static size_t how_much(const struct job *j, int flags) {
  enum mp_stdio_mode mode = mp_stdio_mode(j->file);
  size_t room = mp_stdio_size(j->file);
  if (flags & MP_OUTPUT_FLUSH || mode == MP_STDIO_ATONCE)
    return j->total;
  if (mode == MP_STDIO_FULL && j->total <= room)
    return 0;
  size_t out = last_line_end(j);
  return j->total - out <= room ? out : j->total;
}

static void plan(struct job *j, FILE *f, const struct mp_text *text,
                 int flags) {
  assert(text->n <= MP_OUTPUT_SPANS);
  j->file = f;
  j->n = text->n + 1;
  j->span[0] = mp_stdio_pending(f);
  j->total = j->span[0].len;
  for (int i = 0; i < text->n; i++) {
    j->span[i + 1] = text->span[i];
    j->total += text->span[i].len;
  }
  j->done = 0;
  j->out = how_much(j, flags);
}

/* --- writing -------------------------------------------------------------- */

/* One write; a descriptor that does not block is waited for. */
static int write_some(struct job *j) {
  int fd = fileno(j->file);
  ssize_t rc = mp_spans_write(fd, j->span, j->n, j->done, j->out);
  if (rc >= 0)
    j->done += (size_t)rc;
  if (rc == -EAGAIN)
    rc = mp_poll_one(fd, POLLOUT, MP_FOREVER);
  return rc < 0 ? (int)rc : 0;
}

/* Holding the lock, or with none to hold. */
static int write_on(struct job *j, mp_output_stop *stop, void *ctx) {
  int rc = write_some(j);
  if (rc < 0 && rc != -EINTR)
    return rc;
  if (j->done < j->out && stop != NULL && stop(ctx))
    return -EINTR; /* a short write may be all that shows of a signal */
  return stop == NULL ? rc : 0;
}

static int write_out(struct job *j, mp_output_stop *stop, void *ctx) {
  struct hold h;
  init(&h, fileno(j->file));
  int rc = acquire(&h, stop, ctx);
  if (rc < 0)
    return rc;
  while (rc == 0 && j->done < j->out) {
    rc = write_on(j, stop, ctx);
    if (rc == 0 && j->done < j->out && is_lost(&h))
      rc = acquire(&h, stop, ctx);
  }
  release(&h);
  return rc;
}

/* What went out is nobody's any more. */
static void consume(struct job *j, struct mp_text *text) {
  size_t done = j->done;
  size_t waited = j->span[0].len < done ? j->span[0].len : done;
  if (done > 0)
    mp_stdio_drop(j->file, waited);
  done -= waited;
  for (int i = 0; i < text->n && done > 0; i++) {
    size_t len = text->span[i].len < done ? text->span[i].len : done;
    text->span[i].data += len;
    text->span[i].len -= len;
    done -= len;
  }
}

/* There is room, and no reason for it to go out. */
static void keep(FILE *f, const struct mp_text *text) {
  for (int i = 0; i < text->n; i++) {
    if (text->span[i].len > 0)
      fwrite_unlocked(text->span[i].data, 1, text->span[i].len, f);
  }
}

/* Copying what is short is cheaper than to write it in pieces. */
static void keep_if_it_fits(FILE *f, struct mp_text *text) {
  size_t len = 0;
  for (int i = 0; i < text->n; i++)
    len += text->span[i].len;
  if (!mp_stdio_fits(f, len))
    return;
  keep(f, text);
  text->n = 0;
}

static int put(FILE *f, struct mp_text *text, int flags, mp_output_stop *stop,
               void *ctx) {
  struct job j;
  int rc = 0;
  keep_if_it_fits(f, text);
  plan(&j, f, text, flags);
  if (j.out > 0)
    rc = write_out(&j, stop, ctx);
  consume(&j, text);
  if (rc == 0)
    keep(f, text);
  else if (rc != -EINTR)
    mp_stdio_fail(f);
  return rc;
}

int mp_output_put(FILE *f, struct mp_text *text, int flags,
                  mp_output_stop *stop, void *ctx) {
  flockfile(f);
  int rc = put(f, text, flags, stop, ctx);
  funlockfile(f);
  return rc;
}

/* --- the end -------------------------------------------------------------- */

static void flush_last(FILE *f) {
  struct mp_text none = {0};
  if (__fpending(f) == 0) /* looking further would copy pages */
    return;
  if (mp_arena_if_any() != NULL && mp_stdio_is_plain(f) &&
      mp_output_put(f, &none, MP_OUTPUT_FLUSH, NULL, NULL) == -EINTR)
    mp_stdio_fail(f);
}

void mp_output_flush_last(void) {
  flush_last(stdout);
  flush_last(stderr);
  fflush(NULL);
}
