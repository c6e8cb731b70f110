/*
** list_crash_test.c: lists, killed at every instruction
** MIT licence, see LICENSE
**
** As dict_crash_test.c: before or after the call, never between, nothing left.
*/

#include "crash.h"

#include "base/code.h"
#include "store/list.h"
#include "stored_helper.h"

enum { MOST = 64 };

/* The rows of ids before and after; what an element is follows from its id. */
struct list_case {
  mp_off off, shared;
  uint32_t handle, shared_handle;
  uint64_t blocks;
  int n, n_after;
  int popped; /* elements that were there before the first, and are gone */
  uint64_t before[MOST], after[MOST];
  uint64_t i, id; /* of the operation */
};

static struct mp_list *list_at(struct mp_arena *a, const struct list_case *c) {
  return mp_at(a, c->off);
}

/* Every kind of element: in its word, in an entry, in a blob. */
static struct thing element(const struct list_case *c, uint64_t id) {
  static const struct thing kinds[] = {
      {.kind = T_INT},
      {.kind = T_STRING, .size = 30},
      {.kind = T_MESSAGE, .size = 1040},
      {.kind = T_FLOAT},
      {.kind = T_MESSAGE, .size = 20},
  };
  struct thing t = kinds[id % 5];
  t.id = id;
  if (id % 5 == 4)
    t.ref = c->shared;
  return t;
}

static int append(struct mp_arena *a, const struct list_case *c,
                  struct mp_list *l, uint64_t id) {
  struct thing t = element(c, id);
  struct mp_value v;
  thing_value(&t, &v);
  int rc = mp_list_append(a, l, &v);
  return rc < 0 ? rc : 0;
}

static int holds(struct mp_arena *a, struct list_case *c, uint64_t i,
                 uint64_t id) {
  struct thing t = element(c, id);
  struct mp_got got;
  if (mp_list_get(a, list_at(a, c), i, &got) != 1)
    return 0;
  int yes = thing_is(&got, &t);
  mp_got_done(a, &got);
  return yes;
}

static int setup(struct mp_arena *a, void *ctx) {
  struct list_case *c = ctx;
  mp_off warm;
  uint32_t handle;
  if (mp_list_create(a, &warm, &handle) < 0)
    return -1;
  mp_object_detach(a, handle);
  c->blocks = blocks_of(a);
  if (make_shared(a, &c->shared, &c->shared_handle) < 0 ||
      mp_list_create(a, &c->off, &c->handle) < 0)
    return -1;
  for (int i = -c->popped; i < c->n; i++)
    if (append(a, c, list_at(a, c), i < 0 ? 41 : c->before[i]) < 0)
      return -1;
  for (int i = 0; i < c->popped; i++)
    if (mp_list_pop(a, list_at(a, c), 0, NULL) != 1)
      return -1;
  return 0;
}

/* --- afterwards ----------------------------------------------------------- */

static int is_row(struct mp_arena *a, struct list_case *c,
                  const uint64_t *ids, int n) {
  if (mp_list_count(a, list_at(a, c)) != n)
    return 0;
  for (int i = 0; i < n; i++)
    if (!holds(a, c, (uint64_t)i, ids[i]))
      return 0;
  return 1;
}

/* The lock of one who died in a sort. */
static int unlocked(struct mp_arena *a, struct mp_list *l) {
  if (!mp_lock_is_held(&l->lock))
    return 1;
  if (take_lock(a, &l->lock) < 0)
    return 0;
  return mp_lock_release(a, &l->lock) == 0;
}

static const char *use_it(struct mp_arena *a, struct list_case *c) {
  struct mp_list *l = list_at(a, c);
  int64_t n = mp_list_count(a, l);
  if (!unlocked(a, l))
    return "the lock of the dead is held";
  for (uint64_t id = 20; id < 25; id++)
    if (append(a, c, l, id) < 0 ||
        !holds(a, c, (uint64_t)(n++), id))
      return "the list does not work any more";
  while (mp_list_pop(a, l, n % 2 ? 0 : MP_LAST, NULL) == 1)
    n--;
  return n != 0 || mp_list_check(a, l) < 0 ? "the list is damaged" : NULL;
}

static const char *check(struct mp_arena *a, void *ctx) {
  struct list_case *c = ctx;
  if (mp_list_check(a, list_at(a, c)) < 0)
    return "the array is damaged";
  if (!is_row(a, c, c->before, c->n) && !is_row(a, c, c->after, c->n_after))
    return "neither before nor after";
  const char *why = use_it(a, c);
  if (why != NULL)
    return why;
  be_the_one_of_setup(a);
  mp_object_detach(a, c->handle);
  why = drop_shared(a, c->shared, c->shared_handle);
  if (why == NULL && blocks_of(a) > c->blocks)
    why = "a block is left";
  return why;
}

/* --- operations ----------------------------------------------------------- */

static int op_insert(struct mp_arena *a, void *ctx) {
  struct list_case *c = ctx;
  struct thing t = element(c, c->id);
  struct mp_value v;
  thing_value(&t, &v);
  return mp_list_insert(a, list_at(a, c), c->i, &v);
}

static int op_set(struct mp_arena *a, void *ctx) {
  struct list_case *c = ctx;
  struct thing t = element(c, c->id);
  struct mp_value v;
  thing_value(&t, &v);
  return mp_list_set(a, list_at(a, c), c->i, &v);
}

static int op_pop(struct mp_arena *a, void *ctx) {
  struct list_case *c = ctx;
  struct mp_got got;
  int rc = mp_list_pop(a, list_at(a, c), c->i, &got);
  if (rc == 1)
    mp_got_done(a, &got);
  return rc == 1 ? 0 : -1;
}

/* the first element with that value, which is a plain one */
static int op_remove(struct mp_arena *a, void *ctx) {
  struct list_case *c = ctx;
  struct mp_value v;
  mp_value_int(&v, (int64_t)c->id);
  return mp_list_remove(a, list_at(a, c), &v) == 1 ? 0 : -1;
}

static int op_get(struct mp_arena *a, void *ctx) {
  struct list_case *c = ctx;
  return holds(a, c, c->i, c->before[c->i]) ? 0 : -1;
}

static int op_extend(struct mp_arena *a, void *ctx) {
  struct list_case *c = ctx;
  mp_off bag;
  uint32_t handle;
  int rc = mp_list_create(a, &bag, &handle);
  for (int i = c->n; rc == 0 && i < c->n_after; i++)
    rc = append(a, c, mp_at(a, bag), c->after[i]);
  if (rc == 0)
    rc = mp_list_extend(a, list_at(a, c), mp_at(a, bag));
  mp_object_detach(a, handle);
  return rc;
}

static int op_clear(struct mp_arena *a, void *ctx) {
  struct list_case *c = ctx;
  mp_off bag;
  uint32_t handle;
  int rc = mp_list_create(a, &bag, &handle);
  if (rc == 0)
    rc = mp_list_clear(a, list_at(a, c), mp_at(a, bag));
  mp_object_detach(a, handle);
  return rc;
}

static int op_reverse(struct mp_arena *a, void *ctx) {
  return mp_list_permute(a, list_at(a, ctx), NULL, 0);
}

/* sort(f): under the lock; the order is the one that `after` has */
static int op_sort(struct mp_arena *a, void *ctx) {
  struct list_case *c = ctx;
  struct mp_list *l = list_at(a, c);
  uint64_t order[MOST];
  for (int i = 0; i < c->n; i++)
    for (order[i] = 0; c->before[order[i]] != c->after[i]; order[i]++)
      ;
  if (take_lock(a, &l->lock) < 0)
    return -1;
  int rc = mp_list_permute(a, l, order, (uint64_t)c->n);
  mp_lock_release(a, &l->lock);
  return rc;
}

static int op_snapshot(struct mp_arena *a, void *ctx) {
  struct list_case *c = ctx;
  struct mp_buf b;
  mp_buf_init(&b);
  int64_t n = mp_list_snapshot(a, list_at(a, c), 1, -1, &b);
  mp_snapshot_free(a, &b);
  return n == c->n ? 0 : -1;
}

/* The child lets the last handles go: setup's are gone when it begins. */
static int op_drop(struct mp_arena *a, void *ctx) {
  struct list_case *c = ctx;
  mp_object_detach(a, c->handle);
  mp_object_detach(a, c->shared_handle);
  return 0;
}

static const char *check_drop(struct mp_arena *a, void *ctx) {
  struct list_case *c = ctx;
  return blocks_of(a) > c->blocks ? "a block is left" : NULL;
}

/* --- all ------------------------------------------------------------------ */

typedef int operation(struct mp_arena *, void *);

/* ids 0..n-1; `after` is what the operation is to make of it */
static struct list_case row(int n, uint64_t i, uint64_t id) {
  struct list_case c = {.n = n, .n_after = n, .i = i, .id = id};
  for (int j = 0; j < n; j++)
    c.before[j] = c.after[j] = (uint64_t)j;
  return c;
}

static void run(const char *name, operation *op, struct list_case *l) {
  struct crash_case c = {name,  setup, op,
                         check, l,     op == op_drop ? op_drop : NULL};
  if (op == op_drop)
    c.check = check_drop;
  crash_points(&c);
}

static void insert(const char *name, int n, uint64_t i, uint64_t id) {
  struct list_case c = row(n, i, id);
  memmove(c.after + i + 1, c.after + i, ((size_t)n - i) * sizeof *c.after);
  c.after[i] = id;
  c.n_after = n + 1;
  run(name, op_insert, &c);
}

static void replace(const char *name, int n, uint64_t i, uint64_t id) {
  struct list_case c = row(n, i, id);
  c.after[i] = id;
  run(name, op_set, &c);
}

static void take(const char *name, operation *op, int n, uint64_t i) {
  struct list_case c = row(n, i, i);
  uint64_t at = i == MP_LAST ? (uint64_t)n - 1 : i;
  memmove(c.after + at, c.after + at + 1,
          ((size_t)n - at - 1) * sizeof *c.after);
  c.n_after = n - 1;
  run(name, op, &c);
}

static void extend(const char *name, int n, int by) {
  struct list_case c = row(n, 0, 0);
  for (int i = 0; i < by; i++)
    c.after[n + i] = (uint64_t)(30 + i);
  c.n_after = n + by;
  run(name, op_extend, &c);
}

static void turn(const char *name, operation *op, int n) {
  struct list_case c = row(n, 0, 0);
  for (int i = 0; i < n; i++)
    c.after[i] = c.before[n - 1 - i];
  run(name, op, &c);
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  mp_list_setup();
  insert("append, the first", 0, 0, 10);
  insert("append", 3, 3, 10);
  insert("append, entry", 3, 3, 11);
  insert("append, large", 3, 3, 12);
  insert("append, shared", 3, 3, 14);
  insert("append, the array grows", 8, 8, 11);
  insert("insert near the end", 7, 4, 11);
  insert("insert in the middle", 20, 5, 11);
  insert("insert at the beginning", 10, 0, 14);
  replace("set", 3, 0, 10);
  replace("set, in place", 3, 1, 11);
  replace("set, to large", 3, 0, 12);
  replace("set, from large", 3, 2, 10);
  replace("set, shared", 5, 4, 9);
  take("pop", op_pop, 6, MP_LAST);
  take("pop, large", op_pop, 3, MP_LAST);
  take("pop, the first", op_pop, 3, 0);
  take("pop near the end", op_pop, 9, 4);
  take("pop in the middle", op_pop, 20, 4);
  take("remove", op_remove, 14, 5);
  take("remove, far in", op_remove, 30, 5);
  extend("extend", 2, 4);
  extend("extend, the array grows", 7, 6);
  struct list_case c = {.n = 2, .n_after = 3, .popped = 3, .id = 11,
                        .before = {5, 6}, .after = {11, 5, 6}};
  run("insert before the first", op_insert, &c);
  c = row(7, 2, 0);
  run("get, large", op_get, &c);
  run("snapshot", op_snapshot, &c);
  turn("reverse", op_reverse, 7);
  turn("sort", op_sort, 7);
  c = row(12, 0, 0);
  c.n_after = 0;
  run("clear", op_clear, &c);
  run("drop", op_drop, &c);
  printf("%ld passed, %ld failed\n", crash_total.points - crash_total.faults,
         crash_total.faults);
  return crash_total.faults != 0;
}
