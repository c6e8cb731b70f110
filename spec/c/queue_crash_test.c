/*
** queue_crash_test.c: queues and pipes, killed at every instruction
** MIT licence, see LICENSE
**
** Each operation is killed at each point at which it changed the arena; a
** survivor then finds the message whole or not at all, the counts right, the
** structure in use again, and after the last handle is gone no block left.
*/

#include "crash.h"

#include "queue_helper.h"
#include "store/pipe.h"

/* --- queues --------------------------------------------------------------- */

/* `before` messages of `size` bytes are in the queue, ids 1, 2...; the
** operation is on the last + 1 or on the first. */
struct queue_case {
  mp_off off;
  uint32_t handle, flags;
  uint64_t blocks; /* in the arena without the queue */
  int before;
  uint64_t size;
};

static struct mp_queue *queue_at(struct mp_arena *a,
                                 const struct queue_case *c) {
  return mp_at(a, c->off);
}

static int setup_queue(struct mp_arena *a, void *ctx) {
  struct queue_case *c = ctx;
  struct mp_arena_stats s;
  mp_off warm;
  uint32_t handle;
  mp_queue_setup();
  /* a table of handles for this process */
  if (mp_queue_create(a, 0, 0, &warm, &handle) < 0)
    return -1;
  mp_object_detach(a, handle);
  mp_arena_stats(a, &s);
  c->blocks = s.blocks;
  if (mp_queue_create(a, 0, c->flags, &c->off, &c->handle) < 0)
    return -1;
  for (int i = 1; i <= c->before; i++)
    if (put(a, queue_at(a, c), (uint64_t)i, c->size) < 0)
      return -1;
  return 0;
}

/* From `first` on, up to n of them; then the queue works, and goes. */
static const char *drain(struct mp_arena *a, struct queue_case *c, int first,
                         int n) {
  struct mp_queue *q = queue_at(a, c);
  if (mp_queue_count(a, q) != n)
    return "the count is wrong";
  for (int i = 0; i < n; i++)
    if (get(a, q) != first + i)
      return "a message is lost, torn or out of order";
  if (get(a, q) != MP_EEMPTY)
    return "a message too many";
  if (put(a, q, 99, 3000) < 0 || put(a, q, 98, 20) < 0)
    return "the queue does not work any more";
  if (get(a, q) != 99 || get(a, q) != 98)
    return "the queue gives wrong messages";
  be_the_one_of_setup(a);
  mp_object_detach(a, c->handle);
  return nothing_left(a, c->blocks);
}

static int op_put(struct mp_arena *a, void *ctx) {
  struct queue_case *c = ctx;
  return put(a, queue_at(a, c), (uint64_t)c->before + 1, c->size);
}

static const char *check_put(struct mp_arena *a, void *ctx) {
  struct queue_case *c = ctx;
  int64_t n = mp_queue_count(a, queue_at(a, c));
  if (n != c->before && n != c->before + 1)
    return "neither all nor nothing";
  return drain(a, c, 1, (int)n);
}

static int op_get(struct mp_arena *a, void *ctx) {
  struct queue_case *c = ctx;
  return get(a, queue_at(a, c)) == 1 ? 0 : -1;
}

/* At most the one in the dead one's hands is gone; of a joinable queue it is
** undone, and join says so. */
static const char *check_get(struct mp_arena *a, void *ctx) {
  struct queue_case *c = ctx;
  struct mp_queue *q = queue_at(a, c);
  int64_t n = mp_queue_count(a, q);
  if (n != c->before && n != c->before - 1)
    return "more than one message is gone";
  if ((c->flags & MP_Q_JOINABLE) && q->undone != (uint64_t)c->before)
    return "the undone are not counted";
  return drain(a, c, n == c->before ? 1 : 2, (int)n);
}

static int op_put_many(struct mp_arena *a, void *ctx) {
  struct queue_case *c = ctx;
  struct note notes[3];
  struct mp_parcel p[3];
  size_t done;
  for (int i = 0; i < 3; i++) {
    notes[i] = (struct note){(uint64_t)(c->before + 1 + i), i == 1 ? 2500 : 9};
    p[i] = parcel(&notes[i]);
  }
  return mp_queue_put_many(a, queue_at(a, c), p, 3, 0, &done);
}

static const char *check_put_many(struct mp_arena *a, void *ctx) {
  struct queue_case *c = ctx;
  int64_t n = mp_queue_count(a, queue_at(a, c));
  if (n < c->before || n > c->before + 3)
    return "wrong number of messages";
  return drain(a, c, 1, (int)n);
}

static int op_get_many(struct mp_arena *a, void *ctx) {
  static struct mp_batch b;
  struct queue_case *c = ctx;
  int rc = mp_queue_get_many(a, queue_at(a, c), &b, 100, 0);
  mp_batch_free(a, &b);
  return rc;
}

static const char *check_get_many(struct mp_arena *a, void *ctx) {
  struct queue_case *c = ctx;
  int64_t n = mp_queue_count(a, queue_at(a, c));
  return drain(a, c, c->before - (int)n + 1, (int)n);
}

static int op_task_done(struct mp_arena *a, void *ctx) {
  struct queue_case *c = ctx;
  int rc = op_get(a, ctx);
  return rc < 0 ? rc : mp_queue_task_done(a, queue_at(a, c));
}

static const char *check_task_done(struct mp_arena *a, void *ctx) {
  struct queue_case *c = ctx;
  struct mp_queue *q = queue_at(a, c);
  int64_t n = mp_queue_count(a, q);
  if (q->undone != (uint64_t)c->before && q->undone + 1 != (uint64_t)c->before)
    return "the undone are not counted";
  return drain(a, c, c->before - (int)n + 1, (int)n);
}

/* Waits are counted: the dead must not be in anybody's way. */
static int op_get_none(struct mp_arena *a, void *ctx) {
  unsigned char small[MP_INLINE_MAX];
  struct mp_item item;
  int64_t deadline = mp_now() + 2 * MP_MS;
  int rc;
  do
    rc = mp_queue_get(a, queue_at(a, ctx), small, &item, deadline);
  while (rc == -EINTR);
  return rc == MP_EEMPTY ? 0 : -1;
}

static int op_join(struct mp_arena *a, void *ctx) {
  int64_t deadline = mp_now() + 2 * MP_MS;
  int rc;
  do
    rc = mp_queue_join(a, queue_at(a, ctx), deadline);
  while (rc == -EINTR);
  return rc == -ETIMEDOUT ? 0 : -1;
}

/* A name that no socket has: whoever rings it takes it off the list. */
static int op_watch(struct mp_arena *a, void *ctx) {
  const uint32_t bell = 0x7ffffff1;
  struct mp_queue *q = queue_at(a, ctx);
  int rc = mp_watch_add(a, &q->guard, &q->watch, bell);
  if (rc == 0)
    rc = put(a, q, 9, 20);
  mp_watch_remove(a, &q->guard, &q->watch, bell);
  return rc < 0 || get(a, q) != 9 ? -1 : 0;
}

static const char *check_watch(struct mp_arena *a, void *ctx) {
  struct queue_case *c = ctx;
  struct mp_queue *q = queue_at(a, c);
  mp_watch_ring(a, &q->guard, &q->watch);
  if (mp_watch_any(&q->watch))
    return "a dead watcher stays on the list";
  if (get(a, q) < 0 && mp_queue_count(a, q) != 0)
    return "the queue is damaged";
  return drain(a, c, 1, 0);
}

static const char *check_same(struct mp_arena *a, void *ctx) {
  struct queue_case *c = ctx;
  return drain(a, c, 1, c->before);
}

static int op_shutdown(struct mp_arena *a, void *ctx) {
  return mp_queue_shutdown(a, queue_at(a, ctx), 1);
}

static const char *check_shutdown(struct mp_arena *a, void *ctx) {
  struct queue_case *c = ctx;
  struct mp_queue *q = queue_at(a, c);
  if (!(q->flags & MP_Q_SHUT))
    return drain(a, c, 1, c->before);
  if (mp_queue_count(a, q) != 0 || get(a, q) != MP_ESHUTDOWN)
    return "half shut down";
  if (mp_queue_join(a, q, 0) != 0)
    return "join does not end";
  be_the_one_of_setup(a);
  mp_object_detach(a, c->handle);
  return nothing_left(a, c->blocks);
}

/* The child lets the last handle go: setup's is gone when it begins. */
static int op_drop(struct mp_arena *a, void *ctx) {
  struct queue_case *c = ctx;
  mp_object_detach(a, c->handle);
  return 0;
}

static const char *check_drop(struct mp_arena *a, void *ctx) {
  struct queue_case *c = ctx;
  return nothing_left(a, c->blocks);
}

/* --- pipes ---------------------------------------------------------------- */

struct pipe_case {
  mp_off x, y;
  uint32_t hx, hy;
  uint64_t blocks, size;
  int before;
};

static int new_end(struct mp_arena *a, mp_off *off, uint32_t *handle) {
  return mp_object_create(a, MP_T_PIPE, sizeof(struct mp_end), off, handle);
}

static int send_one(struct mp_arena *a, mp_off end, uint64_t id,
                    uint64_t size) {
  struct note n = {id, size};
  struct mp_parcel p = parcel(&n);
  return mp_pipe_send(a, mp_at(a, end), &p, 0);
}

static int recv_one(struct mp_arena *a, mp_off end) {
  unsigned char small[MP_INLINE_MAX];
  struct mp_item item;
  int rc = mp_pipe_recv(a, mp_at(a, end), small, &item, 0);
  if (rc < 0)
    return rc;
  int id = id_of(&item);
  mp_item_free(a, &item);
  return id;
}

static int setup_ends(struct mp_arena *a, void *ctx) {
  struct pipe_case *c = ctx;
  struct mp_arena_stats s;
  mp_pipe_setup();
  if (new_end(a, &c->x, &c->hx) < 0)
    return -1;
  mp_object_detach(a, c->hx);
  mp_arena_stats(a, &s);
  c->blocks = s.blocks;
  if (new_end(a, &c->x, &c->hx) < 0 || new_end(a, &c->y, &c->hy) < 0)
    return -1;
  return 0;
}

static int setup_pipe(struct mp_arena *a, void *ctx) {
  struct pipe_case *c = ctx;
  int rc = setup_ends(a, ctx);
  if (rc == 0)
    rc = mp_pipe_connect(a, c->x, c->y, 1);
  for (int i = 1; rc == 0 && i <= c->before; i++)
    rc = send_one(a, c->x, (uint64_t)i, c->size);
  return rc;
}

/* Closes both ends and looks for what is left. */
static const char *close_both(struct mp_arena *a, struct pipe_case *c) {
  int rc;
  be_the_one_of_setup(a);
  mp_object_detach(a, c->hx);
  while ((rc = recv_one(a, c->y)) > 0)
    ;
  if (((struct mp_end *)mp_at(a, c->y))->in != 0 && rc != MP_EEOF)
    return "no end of file";
  mp_object_detach(a, c->hy);
  return nothing_left(a, c->blocks);
}

static int op_send(struct mp_arena *a, void *ctx) {
  struct pipe_case *c = ctx;
  return send_one(a, c->x, (uint64_t)c->before + 1, c->size);
}

static const char *check_send(struct mp_arena *a, void *ctx) {
  struct pipe_case *c = ctx;
  int id, n = 0;
  while ((id = recv_one(a, c->y)) == n + 1)
    n++;
  if (id != -ETIMEDOUT || n < c->before || n > c->before + 1)
    return "neither all nor nothing";
  if (send_one(a, c->x, 50, 3000) < 0 || recv_one(a, c->y) != 50)
    return "the pipe does not work any more";
  return close_both(a, c);
}

static int op_recv(struct mp_arena *a, void *ctx) {
  struct pipe_case *c = ctx;
  return recv_one(a, c->y) == 1 ? 0 : -1;
}

static const char *check_recv(struct mp_arena *a, void *ctx) {
  struct pipe_case *c = ctx;
  int id = recv_one(a, c->y);
  if (id != 1 && id != (c->before > 1 ? 2 : -ETIMEDOUT))
    return "more than one message is gone";
  return close_both(a, c);
}

static int op_connect(struct mp_arena *a, void *ctx) {
  struct pipe_case *c = ctx;
  return mp_pipe_connect(a, c->x, c->y, 1);
}

static const char *check_connect(struct mp_arena *a, void *ctx) {
  struct pipe_case *c = ctx;
  be_the_one_of_setup(a);
  mp_object_detach(a, c->hx);
  mp_object_detach(a, c->hy);
  return nothing_left(a, c->blocks);
}

/* The child lets both ends go: setup's handles are gone when it begins. */
static int op_close(struct mp_arena *a, void *ctx) {
  struct pipe_case *c = ctx;
  mp_object_detach(a, c->hx);
  mp_object_detach(a, c->hy);
  return 0;
}

static int late_close(struct mp_arena *a, void *ctx) {
  return op_close(a, ctx);
}

static const char *check_close(struct mp_arena *a, void *ctx) {
  struct pipe_case *c = ctx;
  return nothing_left(a, c->blocks);
}

/* --- all ------------------------------------------------------------------ */

typedef int operation(struct mp_arena *, void *);
typedef const char *verdict(struct mp_arena *, void *);

static void queue_points(const char *name, operation *op, verdict *check,
                         uint32_t flags, int before, uint64_t size) {
  struct queue_case q = {.flags = flags, .before = before, .size = size};
  struct crash_case c = {name,  setup_queue, op,
                         check, &q,          op == op_drop ? op_drop : NULL};
  crash_points(&c);
}

static void pipe_points(const char *name, operation *op, verdict *check,
                        int before, uint64_t size) {
  struct pipe_case p = {.before = before, .size = size};
  struct crash_case c = {name,  op == op_connect ? setup_ends : setup_pipe, op,
                         check, &p, op == op_close ? late_close : NULL};
  crash_points(&c);
}

int main(void) {
  const uint32_t j = MP_Q_JOINABLE;
  setvbuf(stdout, NULL, _IOLBF, 0);
  queue_points("first put", op_put, check_put, 0, 0, 20);
  queue_points("put", op_put, check_put, 0, 2, 20);
  queue_points("put, new segment", op_put, check_put, 0, 15, 2040);
  queue_points("put, block", op_put, check_put, 0, 1, 2500);
  queue_points("put, joinable", op_put, check_put, j, 1, 20);
  queue_points("put_many", op_put_many, check_put_many, 0, 1, 20);
  queue_points("get", op_get, check_get, 0, 2, 20);
  queue_points("get, the last", op_get, check_get, 0, 1, 20);
  queue_points("get, block", op_get, check_get, 0, 2, 2500);
  queue_points("get, joinable", op_get, check_get, j, 2, 20);
  queue_points("get_many", op_get_many, check_get_many, 0, 40, 2040);
  queue_points("get_many, blocks", op_get_many, check_get_many, 0, 3, 2500);
  queue_points("task_done", op_task_done, check_task_done, j, 2, 20);
  queue_points("shutdown", op_shutdown, check_shutdown, j, 3, 2500);
  queue_points("drop", op_drop, check_drop, 0, 3, 2500);
  queue_points("get, nothing there", op_get_none, check_same, 0, 0, 20);
  queue_points("join, not all done", op_join, check_same, j, 2, 20);
  queue_points("watch", op_watch, check_watch, 0, 0, 20);
  pipe_points("send", op_send, check_send, 1, 20);
  pipe_points("send, block", op_send, check_send, 1, 2500);
  pipe_points("recv", op_recv, check_recv, 2, 20);
  pipe_points("recv, block", op_recv, check_recv, 2, 2500);
  pipe_points("connect", op_connect, check_connect, 0, 0);
  pipe_points("close", op_close, check_close, 2, 2500);
  printf("%ld passed, %ld failed\n", crash_total.points - crash_total.faults,
         crash_total.faults);
  return crash_total.faults != 0;
}
