/*
** pair_crash_test.c: allocators and queues with two processes in them at the
** same time, one of which is killed
** MIT licence, see LICENSE
*/

#include "crash_pair.h"
#include "queue_helper.h"

static uint64_t blocks_of(struct mp_arena *a) {
  struct mp_arena_stats s;
  mp_arena_stats(a, &s);
  return s.blocks;
}

/* --- the allocator --------------------------------------------------------- */

struct alloc_pair {
  size_t size;
  mp_off block[2]; /* the first is A's to free, the second B's */
  uint64_t least, most; /* blocks that may be left */
};

/* A block that is in nobody's hand: it stays, whoever dies. */
static int alloc_kept(struct mp_arena *a, size_t size, mp_off *out) {
  int rc = mp_alloc(a, size, out);
  if (rc < 0 || (rc = mp_enter(a)) < 0)
    return rc;
  mp_hand_clear(a, mp_log(a), *out);
  mp_leave(a);
  return 0;
}

/* Both have what they need; between the two is one that stays. */
static int setup_alloc(struct mp_arena *a, void *ctx) {
  struct alloc_pair *c = ctx;
  mp_off wall;
  int rc = alloc_kept(a, c->size, &c->block[0]);
  if (rc == 0)
    rc = alloc_kept(a, c->size, &wall);
  if (rc == 0)
    rc = alloc_kept(a, c->size, &c->block[1]);
  return rc;
}

static int first_alloc(struct mp_arena *a, void *ctx) {
  mp_off off;
  return mp_alloc(a, ((struct alloc_pair *)ctx)->size, &off);
}

static int first_free(struct mp_arena *a, void *ctx) {
  mp_free(a, ((struct alloc_pair *)ctx)->block[0]);
  return 0;
}

/* What B writes nobody else may have. */
static int second_alloc(struct mp_arena *a, void *ctx) {
  const struct alloc_pair *c = ctx;
  mp_off off[3];
  for (int i = 0; i < 3; i++) {
    if (mp_alloc(a, c->size, &off[i]) < 0)
      return -1;
    memset(mp_at(a, off[i]), i + 1, c->size);
  }
  for (int i = 0; i < 3; i++) {
    const unsigned char *p = mp_at(a, off[i]);
    for (size_t k = 0; k < c->size; k++)
      if (p[k] != i + 1)
        return -1;
    mp_free(a, off[i]);
  }
  return 0;
}

static int second_free(struct mp_arena *a, void *ctx) {
  mp_free(a, ((struct alloc_pair *)ctx)->block[1]);
  return 0;
}

/* Of three kept ones: A's free may not have happened, B's must have. */
static const char *check_alloc(struct mp_arena *a, void *ctx) {
  const struct alloc_pair *c = ctx;
  uint64_t n = blocks_of(a);
  if (n < c->least || n > c->most)
    return "a block is lost or left";
  mp_off off;
  if (mp_alloc(a, c->size, &off) < 0)
    return "the survivor cannot allocate";
  memset(mp_at(a, off), 9, c->size);
  mp_free(a, off);
  return NULL;
}

static void alloc_pairs(size_t size) {
  struct alloc_pair stays = {.size = size, .least = 3, .most = 3};
  struct alloc_pair goes = {.size = size, .least = 2, .most = 3};
  struct alloc_pair both = {.size = size, .least = 1, .most = 2};
  char name[4][40];
  struct crash_pair pairs[] = {
    {name[0], setup_alloc, first_alloc, second_alloc, check_alloc, &stays,
     NULL},
    {name[1], setup_alloc, first_free, second_alloc, check_alloc, &goes, NULL},
    {name[2], setup_alloc, first_free, second_free, check_alloc, &both, NULL},
    {name[3], setup_alloc, first_alloc, second_free, check_alloc, NULL, NULL},
  };
  struct alloc_pair third = {.size = size, .least = 2, .most = 2};
  static const char *const what[] = {"alloc, alloc", "free, alloc",
                                     "free, free", "alloc, free"};
  pairs[3].ctx = &third;
  for (int i = 0; i < 4; i++) {
    snprintf(name[i], sizeof name[i], "%s: %zu bytes", what[i], size);
    crash_pair_points(&pairs[i], 1);
  }
}

/* --- queues ---------------------------------------------------------------- */

enum { BEFORE = 2, OF_A = 50, OF_B = 60 };

struct queue_pair {
  mp_off off;
  uint32_t handle;
  uint64_t size;
};

static struct mp_queue *queue_at(struct mp_arena *a, const void *ctx) {
  return mp_at(a, ((const struct queue_pair *)ctx)->off);
}

static int setup_queue(struct mp_arena *a, void *ctx) {
  struct queue_pair *c = ctx;
  mp_queue_setup();
  int rc = mp_queue_create(a, 0, 0, &c->off, &c->handle);
  for (uint64_t i = 1; rc == 0 && i <= BEFORE; i++)
    rc = put(a, queue_at(a, c), i, c->size);
  return rc;
}

static int first_put(struct mp_arena *a, void *ctx) {
  return put(a, queue_at(a, ctx), OF_A, ((struct queue_pair *)ctx)->size);
}

static int first_get(struct mp_arena *a, void *ctx) {
  return get(a, queue_at(a, ctx));
}

static int second_put(struct mp_arena *a, void *ctx) {
  return put(a, queue_at(a, ctx), OF_B, ((struct queue_pair *)ctx)->size);
}

/* A may have the first one. */
static int second_get(struct mp_arena *a, void *ctx) {
  int id = get(a, queue_at(a, ctx));
  return id == 1 || id == 2 ? 0 : -1;
}

/* What is left, in order: bit i for the i-th of the ids that may be there. */
static const char *left(struct mp_arena *a, void *ctx, unsigned *seen) {
  static const int ids[] = {1, 2, OF_A, OF_B};
  int id;
  *seen = 0;
  while ((id = get(a, queue_at(a, ctx))) != MP_EEMPTY) {
    unsigned bit = 0;
    while (bit < 4 && ids[bit] != id)
      bit++;
    if (bit == 4)
      return "a torn message";
    if (*seen >> bit & 1)
      return "a message came twice";
    if (bit < 2 && *seen >> (bit + 1) != 0)
      return "out of order";
    *seen |= 1u << bit;
  }
  return put(a, queue_at(a, ctx), 7, 20) == 0 &&
                 get(a, queue_at(a, ctx)) == 7
             ? NULL
             : "the queue does not work any more";
}

/* A's own may be missing, no other. */
static const char *check_puts(struct mp_arena *a, void *ctx) {
  unsigned seen;
  const char *why = left(a, ctx, &seen);
  return why != NULL || (seen & 11) == 11 ? why : "a message is lost";
}

/* A took the first or did not; nothing else is gone. */
static const char *check_get_put(struct mp_arena *a, void *ctx) {
  unsigned seen;
  const char *why = left(a, ctx, &seen);
  return why != NULL || (seen & 10) == 10 ? why : "a message is lost";
}

static const char *check_put_get(struct mp_arena *a, void *ctx) {
  unsigned seen;
  const char *why = left(a, ctx, &seen);
  if (why != NULL || (seen & 3) == 2)
    return why;
  return "B took another than the first";
}

/* B took one; A has taken, at most, the other. */
static const char *check_gets(struct mp_arena *a, void *ctx) {
  unsigned seen;
  const char *why = left(a, ctx, &seen);
  return why != NULL || (seen & 1) == 0 ? why : "B took none";
}

static void queue_pairs(uint64_t size, long put_stride) {
  struct queue_pair q = {.size = size};
  char name[4][40];
  const struct crash_pair pairs[] = {
    {name[0], setup_queue, first_put, second_put, check_puts, &q, NULL},
    {name[1], setup_queue, first_put, second_get, check_put_get, &q, NULL},
    {name[2], setup_queue, first_get, second_put, check_get_put, &q, NULL},
    {name[3], setup_queue, first_get, second_get, check_gets, &q, NULL},
  };
  static const char *const what[] = {"put, put", "put, get", "get, put",
                                     "get, get"};
  for (int i = 0; i < 4; i++) {
    snprintf(name[i], sizeof name[i], "%s: %d bytes", what[i], (int)size);
    crash_pair_points(&pairs[i], i < 2 ? put_stride : 1);
  }
}

/* A block's bytes are written one by one: each 150th will do. */
int main(void) {
  mp_slot_grace = 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  alloc_pairs(100);
  alloc_pairs(100000);
  queue_pairs(20, 1);
  queue_pairs(2500, 150);
  printf("%ld passed, %ld failed\n", crash_total.points - crash_total.faults,
         crash_total.faults);
  return crash_total.faults != 0;
}
