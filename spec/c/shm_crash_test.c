/*
** shm_crash_test.c: the arena, killed at every instruction that mattered
** MIT licence, see LICENSE
*/

#include <errno.h>

#include "base/code.h"
#include "crash.h"

struct ctx {
  size_t size;
  mp_off block[64];
  uint32_t handle[64];
  uint64_t before, after; /* blocks in use: only these two are right */
  long kill_at;
  uint32_t deep;
  mp_proc proc;
};

static uint64_t blocks_of(struct mp_arena *a) {
  struct mp_arena_stats st;
  mp_arena_stats(a, &st);
  return st.blocks;
}

/* A survivor must be able to work: a few blocks of several sizes. */
static const char *works(struct mp_arena *a) {
  static const size_t sizes[] = {16, 100, 5000, 70000};
  mp_off off[4];
  for (int i = 0; i < 4; i++) {
    if (mp_alloc(a, sizes[i], &off[i]) < 0)
      return "the survivor cannot allocate";
    memset(mp_at(a, off[i]), 0xa5, sizes[i]);
  }
  for (int i = 0; i < 4; i++)
    mp_free(a, off[i]);
  return NULL;
}

static const char *before_or_after(struct mp_arena *a, void *p) {
  const struct ctx *c = p;
  static char why[80];
  uint64_t n = blocks_of(a);
  if (n != c->before && n != c->after) {
    snprintf(why, sizeof why, "%llu blocks, neither %llu nor %llu",
             (unsigned long long)n, (unsigned long long)c->before,
             (unsigned long long)c->after);
    return why;
  }
  return works(a);
}

/* A free that did not happen leaves the contents alone. */
static const char *freed_or_whole(struct mp_arena *a, void *p) {
  const struct ctx *c = p;
  const unsigned char *b = mp_at(a, c->block[1]);
  if (blocks_of(a) == c->before) {
    for (size_t i = 0; i < c->size && i < 4096; i++) {
      if (b[i] != 0x5a)
        return "the block was not freed, but its contents changed";
    }
  }
  return before_or_after(a, p);
}

/* --- blocks: what a dead process has in hand is freed --- */

static int alloc_one(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  mp_off off;
  return mp_alloc(a, c->size, &off);
}

/* The first of its class: a slab, a run and growth. */
static int setup_cold(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  c->before = c->after = blocks_of(a);
  return 0;
}

/* Warm: one of the class is there, several are free. */
static int setup_warm(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  mp_off x[3];
  for (int i = 0; i < 3; i++) {
    if (mp_alloc(a, c->size, &x[i]) < 0)
      return -1;
  }
  mp_free(a, x[1]);
  mp_free(a, x[2]);
  c->before = c->after = blocks_of(a);
  return 0;
}

/* A block that is in nobody's hand: it stays, whoever dies. */
static int alloc_kept(struct mp_arena *a, size_t size, mp_off *out) {
  int rc = mp_alloc(a, size, out);
  if (rc < 0 || (rc = mp_enter(a)) < 0)
    return rc;
  mp_hand_clear(a, mp_log(a), *out);
  mp_leave(a);
  memset(mp_at(a, *out), 0x5a, size < 4096 ? size : 4096);
  return 0;
}

/* The next one of the class fills the slab. */
static int setup_nearly_full(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  mp_off x;
  for (uint32_t i = 0; i + 1 < MP_CHUNK / c->size; i++) {
    if (alloc_kept(a, c->size, &x) < 0)
      return -1;
  }
  c->before = c->after = blocks_of(a);
  return 0;
}

/* Three blocks, c->block[1] is the one to free. */
static int setup_three(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  for (int i = 0; i < 3; i++) {
    if (alloc_kept(a, c->size, &c->block[i]) < 0)
      return -1;
  }
  c->before = blocks_of(a);
  c->after = c->before - 1;
  return 0;
}

/* The same, with the first and the last free already: merging both ways. */
static int setup_between(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  mp_off wall;
  if (setup_three(a, p) < 0 || alloc_kept(a, c->size, &wall) < 0)
    return -1;
  mp_free(a, c->block[0]);
  mp_free(a, c->block[2]);
  c->before = blocks_of(a);
  c->after = c->before - 1;
  return 0;
}

static int free_second(struct mp_arena *a, void *p) {
  mp_free(a, ((struct ctx *)p)->block[1]);
  return 0;
}

/* A full slab gets a block back; an empty one beside another goes. */
static int setup_two_slabs(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  uint32_t n = (uint32_t)(MP_CHUNK / c->size);
  mp_off x[8];
  for (uint32_t i = 0; i < 2 * n; i++) {
    if (alloc_kept(a, c->size, &x[i]) < 0)
      return -1;
  }
  for (uint32_t i = 0; i + 1 < 2 * n; i++)
    mp_free(a, x[i]);
  c->block[1] = x[2 * n - 1];
  c->before = blocks_of(a);
  c->after = c->before - 1;
  return 0;
}

static int setup_full_slab(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  mp_off x;
  for (uint32_t i = 0; i < MP_CHUNK / c->size; i++) {
    if (alloc_kept(a, c->size, &x) < 0)
      return -1;
    c->block[1] = x;
  }
  c->before = blocks_of(a);
  c->after = c->before - 1;
  return 0;
}

/* More is free and warm than is kept: the child gives some back. */
static int setup_much(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  c->size = 36 << 20;
  if (alloc_kept(a, c->size, &c->block[1]) < 0)
    return -1;
  c->before = blocks_of(a);
  c->after = c->before - 1;
  return 0;
}

/* The address range is used up but for a warm and a cold run side by side. */
static int setup_split(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  mp_off wall, warm;
  if (alloc_kept(a, 20 << 20, &wall) < 0 || mp_alloc(a, 10 << 20, &warm) < 0)
    return -1;
  mp_free(a, warm);
  c->size = 28 << 20;
  c->before = c->after = blocks_of(a);
  return mp_head(a)->split == 0 ? -1 : 0;
}

/* --- the hand and a structure's guard --- */

struct box {
  struct mp_object head;
  struct mp_guard guard;
  uint64_t block;
};

static int make_box(struct mp_arena *a, struct ctx *c) {
  int rc = mp_object_create(a, MP_T_QUEUE, sizeof(struct box), &c->block[0],
                            &c->handle[0]);
  if (rc < 0)
    return rc;
  return mp_guard_init(&((struct box *)mp_at(a, c->block[0]))->guard);
}

static int setup_box(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  int rc = make_box(a, c);
  c->before = blocks_of(a);
  c->after = c->before + 1;
  return rc;
}

static int box_put(struct mp_arena *a, void *p) {
  struct box *b = mp_at(a, ((struct ctx *)p)->block[0]);
  mp_off off;
  if (mp_alloc(a, 200, &off) < 0 || mp_guard_enter(a, &b->guard) < 0)
    return -1;
  mp_set64(a, &b->guard, &b->block, off);
  mp_hand_clear(a, &b->guard, off);
  mp_guard_leave(a, &b->guard);
  return 0;
}

static int box_get(struct mp_arena *a, void *p) {
  struct box *b = mp_at(a, ((struct ctx *)p)->block[0]);
  if (mp_guard_enter(a, &b->guard) < 0)
    return -1;
  mp_off off = b->block;
  mp_hand_set(a, &b->guard, off);
  mp_set64(a, &b->guard, &b->block, 0);
  mp_guard_leave(a, &b->guard);
  mp_free(a, off);
  return 0;
}

static int setup_full_box(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  if (make_box(a, c) < 0 || box_put(a, c) < 0)
    return -1;
  c->after = blocks_of(a);
  c->before = c->after - 1;
  return 0;
}

static const char *box_agrees(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  struct box *b = mp_at(a, c->block[0]);
  if (mp_guard_enter(a, &b->guard) < 0)
    return "the box's guard is lost";
  uint64_t has = b->block != 0;
  mp_guard_leave(a, &b->guard);
  if (blocks_of(a) != (c->before < c->after ? c->before : c->after) + has)
    return "the box and the arena disagree";
  return works(a);
}

static int box_put_get(struct mp_arena *a, void *p) {
  int rc = box_put(a, p);
  return rc < 0 ? rc : box_get(a, p);
}

/* A reference in a structure's word: word and count agree. */
static int setup_ref(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  int rc = make_box(a, c);
  if (rc == 0)
    rc = mp_object_create(a, MP_T_VALUE, 64, &c->block[1], &c->handle[1]);
  c->before = c->after = blocks_of(a);
  return rc;
}

static int ref_put_drop(struct mp_arena *a, void *p) {
  const struct ctx *c = p;
  struct box *b = mp_at(a, c->block[0]);
  mp_object_take_at(a, &b->block, c->block[1]);
  mp_object_drop_at(a, &b->block);
  return 0;
}

static const char *ref_agrees(struct mp_arena *a, void *p) {
  const struct ctx *c = p;
  const struct box *b = mp_at(a, c->block[0]);
  const struct mp_object *o = mp_at(a, c->block[1]);
  if (o->count != 1 + (b->block != 0))
    return "the word and the count disagree";
  return before_or_after(a, p);
}

/* --- slots --- */

static int setup_handles(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  for (int i = 0; i < 20; i++) {
    if (mp_object_create(a, MP_T_VALUE, 64, &c->block[i], &c->handle[i]) < 0)
      return -1;
  }
  mp_object_detach(a, c->handle[3]);
  mp_object_detach(a, c->handle[7]);
  c->before = c->after = blocks_of(a);
  return 0;
}

static int slot_take(struct mp_arena *a, void *p) {
  (void)p;
  mp_proc child;
  return mp_slot_take(a, 1, &child);
}

static int slot_take_drop(struct mp_arena *a, void *p) {
  (void)p;
  mp_proc child;
  int rc = mp_slot_take(a, 1, &child);
  if (rc == 0)
    mp_slot_drop(a, child);
  return rc;
}

static int slot_give(struct mp_arena *a, void *p) {
  const struct ctx *c = p;
  mp_proc child;
  mp_off off;
  int rc = mp_slot_take(a, 0, &child);
  if (rc == 0)
    rc = mp_message_alloc(a, 50, c->block, 2, &off);
  if (rc == 0)
    rc = mp_hand_give(a, off, child);
  return rc;
}

/* So many that the table needs pages. */
static int setup_many_slots(struct mp_arena *a, void *p) {
  mp_proc child;
  int rc = setup_handles(a, p);
  while (rc == 0 && mp_head(a)->slot_top < mp_head(a)->slot_ready - 1)
    rc = mp_slot_take(a, 0, &child);
  return rc;
}

/* The victim leaves its own slot and takes a fresh one (a root process). */
static int slot_leave_enter(struct mp_arena *a, void *p) {
  (void)p;
  mp_proc self;
  mp_slot_leave(a, 3);
  return mp_self_proc(a, &self);
}

static int slot_take_enter(struct mp_arena *a, void *p) {
  (void)p;
  mp_proc child;
  int rc = mp_slot_take(a, 0, &child);
  if (rc < 0)
    return rc;
  atomic_store(&a->self_pid, 0); /* as in the newborn */
  return mp_slot_enter(a, child);
}

/* The counts are those of this process's handles, and two slots are in use
** (its own and, until it is dropped, the victim's). */
static const char *handles_right(struct mp_arena *a, void *p) {
  const struct ctx *c = p;
  const char *why = before_or_after(a, p);
  for (int i = 0; why == NULL && i < 20; i++) {
    const struct mp_object *o = mp_at(a, c->block[i]);
    if (i != 3 && i != 7 && o->count != 1)
      why = "a count is wrong after the sweep";
  }
  return why;
}

/* --- objects --- */

static int object_create(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  mp_off off;
  uint32_t handle;
  return mp_object_create(a, MP_T_VALUE, c->size, &off, &handle);
}

static int object_attach_detach(struct mp_arena *a, void *p) {
  const struct ctx *c = p;
  uint32_t handle;
  int rc = mp_object_attach(a, c->block[0], &handle);
  if (rc == 0)
    mp_object_detach(a, handle);
  return rc;
}

static int object_take_drop(struct mp_arena *a, void *p) {
  const struct ctx *c = p;
  mp_object_take(a, c->block[0]);
  mp_object_drop(a, c->block[0]);
  return 0;
}

/* take and drop without anybody's name on them leave a count behind when the
** taker dies between: that is why messages carry references. */
static const char *count_1_or_2(struct mp_arena *a, void *p) {
  const struct ctx *c = p;
  const struct mp_object *o = mp_at(a, c->block[0]);
  if (o->count != 1 && o->count != 2)
    return "the count is neither 1 nor 2";
  return before_or_after(a, p);
}

/* An object that owns a block and a reference, as a queue does. */
struct owner {
  struct mp_object head;
  struct mp_guard guard;
  uint64_t message;
};

static void destroy_owner(struct mp_arena *a, mp_off off) {
  struct owner *o = mp_at(a, off);
  if (mp_guard_enter(a, &o->guard) < 0)
    return;
  mp_off message = o->message;
  if (message != 0) {
    mp_hand_set(a, &o->guard, message);
    mp_set64(a, &o->guard, &o->message, 0);
  }
  mp_guard_leave(a, &o->guard);
  if (message != 0)
    mp_message_free(a, message);
}

static int owner_put(struct mp_arena *a, mp_off off, mp_off ref) {
  struct owner *o = mp_at(a, off);
  mp_off message;
  int rc = mp_message_alloc(a, 100, &ref, 1, &message);
  if (rc < 0 || (rc = mp_guard_enter(a, &o->guard)) < 0)
    return rc;
  mp_set64(a, &o->guard, &o->message, message);
  mp_hand_clear(a, &o->guard, message);
  mp_guard_leave(a, &o->guard);
  return 0;
}

static int make_owner(struct mp_arena *a, mp_off ref, mp_off *off,
                      uint32_t *handle) {
  int rc =
    mp_object_create(a, MP_T_PIPE, sizeof(struct owner), off, handle);
  if (rc < 0)
    return rc;
  rc = mp_guard_init(&((struct owner *)mp_at(a, *off))->guard);
  return rc < 0 || ref == 0 ? rc : owner_put(a, *off, ref);
}

/* A chain: the victim makes it, so it alone holds it, and lets it go. */
static int owner_chain(struct mp_arena *a, void *p) {
  (void)p;
  mp_off inner, outer;
  uint32_t h1, h2;
  int rc = make_owner(a, 0, &inner, &h1);
  if (rc == 0)
    rc = make_owner(a, inner, &outer, &h2);
  if (rc < 0)
    return rc;
  mp_object_detach(a, h1);
  mp_object_detach(a, h2);
  return 0;
}

/* --- messages --- */

static int message_round(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  mp_off m;
  int rc = mp_message_alloc(a, c->size, c->block, 3, &m);
  if (rc == 0)
    mp_message_free(a, m);
  return rc;
}

/* --- the handle table --- */

static int attach_many(struct mp_arena *a, void *p) {
  const struct ctx *c = p;
  uint32_t handle[20];
  for (int i = 0; i < 20; i++) {
    if (mp_object_attach(a, c->block[0], &handle[i]) < 0)
      return -1;
  }
  for (int i = 0; i < 20; i += 3)
    mp_object_detach(a, handle[i]);
  return 0;
}

/* --- recovery: the dead one's mess, and a sweeper that is killed too --- */

static int sweep(struct mp_arena *a, void *p) {
  (void)p;
  return mp_slot_sweep_all(a);
}

/* Kills a victim behind its kill_at-th change, its guard in disorder. */
static int kill_one(struct mp_arena *a, struct ctx *c,
                    int (*operation)(struct mp_arena *, void *)) {
  struct crash_case victim = {"victim", NULL, operation, NULL, c, NULL};
  return crash_kill_at(a, &victim, c->kill_at);
}

static int dead_chain(struct mp_arena *a, void *p) {
  return kill_one(a, p, owner_chain);
}

static int dead_box(struct mp_arena *a, void *p) {
  return kill_one(a, p, box_put_get);
}

static int dead_copy(struct mp_arena *a, void *p) {
  return kill_one(a, p, slot_take);
}

/* The dead one was in the middle of a long transaction: at least `deep` words
** are to be undone. */
static int dead_deep(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  int rc = 1;
  for (c->kill_at = 2 * c->deep; rc == 1 && c->kill_at < 60; c->kill_at++) {
    rc = kill_one(a, c, alloc_one);
    if (atomic_load(&mp_log(a)->used) >= c->deep)
      return rc;
    mp_slot_sweep_all(a);
  }
  return -1;
}

static void repairs(void) {
  struct ctx large = {.size = 300000};
  struct crash_case deep = {"repair: a deep log", setup_warm, sweep,
                            before_or_after, &large, dead_deep};
  for (large.deep = 3; large.deep <= 12; large.deep += 9)
    crash_points(&deep);
}

static void blocks(void) {
  struct ctx small = {.size = 100}, mid = {.size = 20000},
             large = {.size = 300000}, c, d;
  struct crash_case cases[] = {
    {"alloc: growth and a slab", setup_cold, alloc_one,
     before_or_after, &small, NULL},
    {"alloc: growth and a run", setup_cold, alloc_one, before_or_after,
     &large, NULL},
    {"alloc: class hit", setup_warm, alloc_one, before_or_after, &small, NULL},
    {"alloc: new slab", setup_nearly_full, alloc_one, before_or_after, &mid,
     NULL},
    {"alloc: a run is split", setup_warm, alloc_one, before_or_after, &large,
     NULL},
    {"free: small", setup_three, free_second, freed_or_whole, &small, NULL},
    {"free: from a full slab", setup_full_slab, free_second,
     freed_or_whole, &mid, NULL},
    {"free: an empty slab goes", setup_two_slabs, free_second,
     freed_or_whole, &mid, NULL},
    {"free: a run", setup_three, free_second, freed_or_whole, &large, NULL},
    {"free: a run between two", setup_between, free_second,
     freed_or_whole, &large, NULL},
    {"alloc: cold and warm merge", setup_split, alloc_one, before_or_after,
     &d, NULL},
    {"free: memory given back", setup_much, free_second,
     before_or_after, &c, NULL},
  };
  memset(&c, 0, sizeof c);
  memset(&d, 0, sizeof d);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    crash_points(&cases[i]);
}

static void slots(void) {
  struct ctx c = {.size = 64};
  struct crash_case cases[] = {
    {"hand: into a structure", setup_box, box_put, box_agrees, &c, NULL},
    {"object: taken, dropped at", setup_ref, ref_put_drop, ref_agrees, &c,
     NULL},
    {"hand: out of a structure", setup_full_box, box_get, box_agrees, &c, NULL},
    {"slot: take with handles", setup_handles, slot_take, handles_right, &c,
     NULL},
    {"slot: take, drop", setup_handles, slot_take_drop, handles_right, &c,
     NULL},
    {"slot: take a 65th", setup_many_slots, slot_take, handles_right, &c,
     NULL},
    {"slot: a message given", setup_handles, slot_give, handles_right, &c,
     NULL},
    {"slot: take, enter", setup_handles, slot_take_enter, handles_right, &c,
     NULL},
    {"slot: leave, enter anew", setup_handles, slot_leave_enter,
     handles_right, &c, NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    crash_points(&cases[i]);
}

static void objects(void) {
  struct ctx c = {.size = 64}, large = {.size = 100000};
  struct crash_case cases[] = {
    {"object: create", setup_cold, object_create, before_or_after, &c, NULL},
    {"object: create a large one", setup_cold, object_create,
     before_or_after, &large, NULL},
    {"object: attach, detach", setup_handles, object_attach_detach,
     handles_right, &c, NULL},
    {"object: take, drop", setup_handles, object_take_drop, count_1_or_2, &c,
     NULL},
    {"object: the last handle", setup_cold, owner_chain, before_or_after, &c,
     NULL},
    {"handles: growth", setup_handles, attach_many, handles_right, &c, NULL},
    {"message: alloc, free", setup_handles, message_round, handles_right, &c,
     NULL},
    {"message: large", setup_handles, message_round, handles_right, &large,
     NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    crash_points(&cases[i]);
}

static void recovery(void) {
  struct ctx c = {.size = 64};
  struct crash_case cases[] = {
    {"sweep: a chain of objects", setup_cold, sweep, before_or_after, &c,
     dead_chain},
    {"sweep: a box", setup_box, sweep, box_agrees, &c, dead_box},
    {"sweep: half a copy", setup_handles, sweep, handles_right, &c,
     dead_copy},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (c.kill_at = 5; c.kill_at < 300; c.kill_at += 59)
      crash_points(&cases[i]);
  }
}

/* Thousands of steps that change nothing. */
static uint64_t plenty(void) {
  return UINT64_MAX / 2;
}

int main(void) {
  mp_map_ops.available = plenty;
  mp_object_set_destroy(MP_T_PIPE, destroy_owner);
  blocks();
  slots();
  objects();
  recovery();
  repairs();
  printf("%ld steps, %ld crash points\n", crash_total.steps,
         crash_total.points);
  printf("%ld passed, %ld failed\n", crash_total.points - crash_total.faults,
         crash_total.faults);
  return crash_total.faults != 0;
}
