/*
** dict_crash_test.c: dicts, killed at every instruction
** MIT licence, see LICENSE
**
** Each operation is killed at each point at which it changed the arena; a
** survivor then finds the dict before or after the call, with a sound table, in
** use again, and after the last handle is gone no block left.  So, too, where
** another process runs into the one that is killed.
*/

#include "crash_pair.h"

#include "base/code.h"
#include "store/dict.h"
#include "stored_helper.h"

enum { X = 1000, MANY = 9 };

/* `before` other keys 0, 1... are there; X is `old`, and becomes `new`. */
struct dict_case {
  mp_off off, shared;
  uint32_t handle, shared_handle;
  uint64_t blocks;
  uint32_t before;
  int refs; /* X's values hold a shared object */
  struct thing old, new;
};

static struct mp_dict *dict_at(struct mp_arena *a, const struct dict_case *c) {
  return mp_at(a, c->off);
}

static int set(struct mp_arena *a, struct mp_dict *d, int64_t key,
               const struct thing *t) {
  struct mp_key k;
  struct mp_value v;
  mp_key_int(&k, key);
  thing_value(t, &v);
  int rc = mp_dict_set(a, d, &k, &v);
  if (rc != -EAGAIN)
    return rc < 0 ? rc : 0;
  if (take_lock(a, &d->lock) < 0)
    return -EBUSY;
  rc = mp_dict_set(a, d, &k, &v);
  mp_lock_release(a, &d->lock);
  return rc < 0 ? rc : 0;
}

static int holds(struct mp_arena *a, struct mp_dict *d, int64_t key,
                 const struct thing *t) {
  struct mp_key k;
  struct mp_got got;
  mp_key_int(&k, key);
  int rc = mp_dict_get(a, d, &k, &got);
  if (rc <= 0)
    return rc == 0 && t->kind == T_NONE;
  int yes = thing_is(&got, t);
  mp_got_done(a, &got);
  return yes;
}

static struct thing other(uint32_t i) {
  struct thing t = {.kind = i % 3 == 0 ? T_MESSAGE : T_INT,
                    .size = i % 2 == 0 ? 40 : 1500,
                    .id = i};
  return t;
}

static int setup(struct mp_arena *a, void *ctx) {
  struct dict_case *c = ctx;
  mp_off warm;
  uint32_t handle;
  if (mp_dict_create(a, 0, &warm, &handle) < 0)
    return -1;
  mp_object_detach(a, handle);
  c->blocks = blocks_of(a);
  if (make_shared(a, &c->shared, &c->shared_handle) < 0 ||
      mp_dict_create(a, 0, &c->off, &c->handle) < 0)
    return -1;
  if (c->refs)
    c->old.ref = c->new.ref = c->shared;
  for (uint32_t i = 0; i < c->before; i++) {
    struct thing t = other(i);
    if (set(a, dict_at(a, c), i, &t) < 0)
      return -1;
  }
  return c->old.kind == T_NONE ? 0 : set(a, dict_at(a, c), X, &c->old);
}

/* --- afterwards ----------------------------------------------------------- */

static const char *let_go(struct mp_arena *a, struct dict_case *c) {
  be_the_one_of_setup(a);
  mp_object_detach(a, c->handle);
  const char *why = drop_shared(a, c->shared, c->shared_handle);
  if (why == NULL && blocks_of(a) > c->blocks)
    why = "a block is left";
  return why;
}

static const char *use_it(struct mp_arena *a, struct dict_case *c) {
  struct mp_dict *d = dict_at(a, c);
  struct thing t = {.kind = T_STRING, .size = 30, .id = 7};
  for (int64_t i = 2000; i < 2010; i++)
    if (set(a, d, i, &t) < 0 || !holds(a, d, i, &t))
      return "the dict does not work any more";
  return mp_dict_check(a, d) < 0 ? "the table is damaged later" : NULL;
}

static const char *check_others(struct mp_arena *a, struct dict_case *c) {
  for (uint32_t i = 0; i < c->before; i++) {
    struct thing t = other(i);
    if (!holds(a, dict_at(a, c), i, &t))
      return "another key's value is lost";
  }
  return NULL;
}

/* X is what it was or what it becomes. */
static const char *check_one(struct mp_arena *a, void *ctx) {
  struct dict_case *c = ctx;
  struct mp_dict *d = dict_at(a, c);
  if (mp_dict_check(a, d) < 0)
    return "the table is damaged";
  const struct thing *now = holds(a, d, X, &c->old) ? &c->old : &c->new;
  if (!holds(a, d, X, now))
    return "neither before nor after";
  if (mp_dict_count(a, d) != (int64_t)c->before + (now->kind != T_NONE))
    return "the count is wrong";
  const char *why = check_others(a, c);
  if (why == NULL)
    why = use_it(a, c);
  return why != NULL ? why : let_go(a, c);
}

/* --- operations ----------------------------------------------------------- */

static int op_set(struct mp_arena *a, void *ctx) {
  struct dict_case *c = ctx;
  return set(a, dict_at(a, c), X, &c->new);
}

static int op_setdefault(struct mp_arena *a, void *ctx) {
  struct dict_case *c = ctx;
  struct mp_key k;
  struct mp_value v;
  struct mp_got got;
  mp_key_int(&k, X);
  thing_value(&c->new, &v);
  return mp_dict_setdefault(a, dict_at(a, c), &k, &v, &got);
}

static int op_pop(struct mp_arena *a, void *ctx) {
  struct dict_case *c = ctx;
  struct mp_key k;
  struct mp_got got;
  mp_key_int(&k, X);
  int rc = mp_dict_pop(a, dict_at(a, c), &k, &got);
  if (rc == 1)
    mp_got_done(a, &got);
  return rc == 1 ? 0 : -1;
}

static int op_get(struct mp_arena *a, void *ctx) {
  struct dict_case *c = ctx;
  return holds(a, dict_at(a, c), X, &c->old) ? 0 : -1;
}

static int op_incr(struct mp_arena *a, void *ctx) {
  struct dict_case *c = ctx;
  struct mp_key k;
  struct mp_value v, sum;
  mp_key_int(&k, X);
  mp_value_int(&v, (int64_t)(c->new.id - c->old.id));
  return mp_dict_incr(a, dict_at(a, c), &k, &v, &sum);
}

/* update(k, f) */
static int op_update(struct mp_arena *a, void *ctx) {
  struct dict_case *c = ctx;
  struct mp_dict *d = dict_at(a, c);
  if (take_lock(a, &d->lock) < 0 || !holds(a, d, X, &c->old))
    return -1;
  int rc = set(a, d, X, &c->new);
  mp_lock_release(a, &d->lock);
  return rc;
}

static int op_snapshot(struct mp_arena *a, void *ctx) {
  struct dict_case *c = ctx;
  struct mp_buf b;
  mp_buf_init(&b);
  int64_t n = mp_dict_snapshot(a, dict_at(a, c), &b);
  mp_snapshot_free(a, &b);
  return n == (int64_t)c->before + 1 ? 0 : -1;
}

/* --- all of it at once ---------------------------------------------------- */

static int op_clear(struct mp_arena *a, void *ctx) {
  struct dict_case *c = ctx;
  mp_off bag;
  uint32_t handle;
  int rc = mp_dict_create(a, 0, &bag, &handle);
  if (rc == 0)
    rc = mp_dict_clear(a, dict_at(a, c), mp_at(a, bag));
  mp_object_detach(a, handle);
  return rc;
}

static const char *check_clear(struct mp_arena *a, void *ctx) {
  struct dict_case *c = ctx;
  struct mp_dict *d = dict_at(a, c);
  const char *why = NULL;
  if (mp_dict_check(a, d) < 0)
    return "the table is damaged";
  if (mp_dict_count(a, d) != 0)
    why = check_others(a, c);
  if (why == NULL)
    why = use_it(a, c);
  return why != NULL ? why : let_go(a, c);
}

/* n keys from `before - n / 2` on become INT key + 5000: some are there
** already, some are new. */
static int op_merge(struct mp_arena *a, void *ctx) {
  struct dict_case *c = ctx;
  mp_off bag;
  uint32_t handle;
  int rc = mp_dict_create(a, 0, &bag, &handle);
  for (uint32_t i = 0; rc == 0 && i < c->new.size; i++) {
    uint32_t key = c->before - (uint32_t)c->new.size / 2 + i;
    struct thing t = {.kind = T_INT, .id = key + 5000};
    rc = set(a, mp_at(a, bag), key, &t);
  }
  if (rc == 0)
    rc = mp_dict_merge(a, dict_at(a, c), mp_at(a, bag));
  mp_object_detach(a, handle);
  return rc;
}

/* After the merge, or before? */
static int is_merged(struct mp_arena *a, struct dict_case *c, int merged) {
  uint32_t n = (uint32_t)c->new.size, first = c->before - n / 2;
  for (uint32_t i = 0; i < first + n; i++) {
    struct thing t = other(i);
    if (i >= first && merged)
      t = (struct thing){.kind = T_INT, .id = i + 5000};
    else if (i >= c->before)
      t.kind = T_NONE;
    if (!holds(a, dict_at(a, c), i, &t))
      return 0;
  }
  return 1;
}

static const char *check_merge(struct mp_arena *a, void *ctx) {
  struct dict_case *c = ctx;
  if (mp_dict_check(a, dict_at(a, c)) < 0)
    return "the table is damaged";
  if (!is_merged(a, c, 0) && !is_merged(a, c, 1))
    return "half an update";
  const char *why = use_it(a, c);
  return why != NULL ? why : let_go(a, c);
}

/* The child lets the last handles go: setup's are gone when it begins. */
static int op_drop(struct mp_arena *a, void *ctx) {
  struct dict_case *c = ctx;
  mp_object_detach(a, c->handle);
  mp_object_detach(a, c->shared_handle);
  return 0;
}

static const char *check_drop(struct mp_arena *a, void *ctx) {
  struct dict_case *c = ctx;
  return blocks_of(a) > c->blocks ? "a block is left" : NULL;
}

/* --- all ------------------------------------------------------------------ */

typedef int operation(struct mp_arena *, void *);
typedef const char *verdict(struct mp_arena *, void *);

static void points(const char *name, operation *op, verdict *check,
                   uint32_t before, struct thing old, struct thing new,
                   int refs) {
  struct dict_case d = {
      .before = before, .refs = refs, .old = old, .new = new};
  struct crash_case c = {name,  setup, op,
                         check, &d,    op == op_drop ? op_drop : NULL};
  crash_points(&c);
}

static const struct thing none = {.kind = T_NONE};
static const struct thing small = {.kind = T_INT, .id = 1};
static const struct thing same = {.kind = T_FLOAT, .id = 2};
static const struct thing words = {.kind = T_STRING, .size = 100, .id = 3};
static const struct thing words2 = {.kind = T_STRING, .size = 97, .id = 4};
static const struct thing large = {.kind = T_MESSAGE, .size = 1030, .id = 5};
static const struct thing large2 = {.kind = T_STRING, .size = 1040, .id = 6};
static const struct thing two = {.kind = T_MESSAGE, .size = 60, .id = 8};

static void one_key(void) {
  points("set, the first", op_set, check_one, 0, none, small, 0);
  points("set, new", op_set, check_one, 3, none, small, 0);
  points("set, new, large", op_set, check_one, 3, none, large, 0);
  points("set, new, shared", op_set, check_one, 3, none, two, 1);
  points("set, the table grows", op_set, check_one, 6, none, words, 0);
  points("set, same size", op_set, check_one, 3, small, same, 0);
  points("set, in place", op_set, check_one, 3, words, words2, 0);
  points("set, other size", op_set, check_one, 3, small, words, 0);
  points("set, to large", op_set, check_one, 3, words, large, 0);
  points("set, large to large", op_set, check_one, 3, large, large2, 0);
  points("set, from large", op_set, check_one, 3, large, small, 0);
  points("set, shared", op_set, check_one, 3, two, large, 1);
  points("setdefault", op_setdefault, check_one, 3, none, large, 0);
  points("incr", op_incr, check_one, 3, small, (struct thing){T_INT, 0, 9, 0},
         0);
  points("incr, new", op_incr, check_one, 3, none, small, 0);
  points("get, large", op_get, check_one, 3, large, none, 1);
  points("pop", op_pop, check_one, 3, small, none, 0);
  points("pop, large", op_pop, check_one, 3, large, none, 1);
  points("update(k, f)", op_update, check_one, 3, small, words, 0);
  points("update(k, f), shared", op_update, check_one, 3, two, large, 1);
}

static void all_keys(void) {
  struct thing few = {.kind = T_INT, .size = 2}, many = few;
  many.size = MANY;
  points("snapshot", op_snapshot, check_one, 3, two, two, 1);
  points("clear", op_clear, check_clear, MANY, none, none, 0);
  points("clear, empty", op_clear, check_clear, 0, none, none, 0);
  points("update(t), few", op_merge, check_merge, 4, none, few, 0);
  points("update(t), many", op_merge, check_merge, 8, none, many, 0);
  points("update(t), of an empty one", op_merge, check_merge, 0, none,
         (struct thing){.kind = T_INT, .size = 1}, 0);
  points("drop", op_drop, check_drop, MANY, large, none, 1);
}

/* There were many keys, all but a few are gone. */
static int setup_sparse(struct mp_arena *a, void *ctx) {
  struct dict_case *c = ctx;
  struct mp_key k;
  int rc = setup(a, ctx);
  struct thing t = {.kind = T_INT, .id = 1};
  for (int64_t i = 100; rc == 0 && i < 120; i++)
    rc = set(a, dict_at(a, c), i, &t);
  for (int64_t i = 100; rc >= 0 && i < 120; i++) {
    mp_key_int(&k, i);
    rc = mp_dict_pop(a, dict_at(a, c), &k, NULL);
  }
  /* so that the next one shrinks it */
  return dict_at(a, c)->count * 8 == dict_at(a, c)->cap ? 0 : -1;
}

static void shrinking(void) {
  struct dict_case d = {.before = 3, .old = small, .new = none};
  struct crash_case c = {"pop, the table shrinks", setup_sparse, op_pop,
                         check_one, &d, NULL};
  crash_points(&c);
}

/* --- two at once ---------------------------------------------------------- */

enum { Y = 4000 };

/* B waits for what A holds, and does its part. */
static int second_set(struct mp_arena *a, void *ctx) {
  struct dict_case *c = ctx;
  struct mp_dict *d = dict_at(a, c);
  int rc = set(a, d, Y, &words);
  if (rc == 0)
    rc = holds(a, d, Y, &words) ? set(a, d, Y, &large) : -1;
  return rc;
}

/* A has done its part or nothing, B all of its. */
static const char *check_pair(struct mp_arena *a, void *ctx) {
  struct dict_case *c = ctx;
  struct mp_dict *d = dict_at(a, c);
  if (mp_dict_check(a, d) < 0)
    return "the table is damaged";
  if (!holds(a, d, Y, &large))
    return "what B did is lost";
  if (!holds(a, d, X, &c->old) && !holds(a, d, X, &c->new))
    return "neither before nor after";
  const char *why = check_others(a, c);
  if (why == NULL)
    why = use_it(a, c);
  return why != NULL ? why : let_go(a, c);
}

static void pair(const char *name, operation *first, uint32_t before,
                 struct thing old, struct thing new) {
  struct dict_case d = {.before = before, .refs = 1, .old = old, .new = new};
  struct crash_pair p = {name,       setup, first, second_set,
                         check_pair, &d,    NULL};
  crash_pair_points(&p, 29);
}

static void two_at_once(void) {
  pair("update(k, f), B sets", op_update, 3, two, two);
  pair("set and grow, B sets", op_set, 6, none, words);
  pair("pop, B sets", op_pop, 3, two, none);
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  mp_dict_setup();
  one_key();
  all_keys();
  shrinking();
  two_at_once();
  printf("%ld passed, %ld failed\n", crash_total.points - crash_total.faults,
         crash_total.faults);
  return crash_total.faults != 0;
}
