/*
** object_crash_test.c: what has no crash test of its own elsewhere: a child's
** slot from its parent's side, memory given back, SharedMemory, Array
** MIT licence, see LICENSE
*/

#include "crash.h"
#include "store/cells.h"
#include "store/memory.h"

struct ctx {
  uint64_t blocks;
  mp_off kept;
};

static uint64_t blocks_of(struct mp_arena *a) {
  struct mp_arena_stats s;
  mp_arena_stats(a, &s);
  return s.blocks;
}

/* All that the dead process had made is gone, and one can work. */
static const char *same_blocks(struct mp_arena *a, void *p) {
  const struct ctx *c = p;
  mp_off off;
  if (blocks_of(a) != c->blocks)
    return "blocks are lost or left";
  if (mp_alloc(a, 3 << 20, &off) < 0)
    return "the survivor cannot allocate";
  memset(mp_at(a, off), 1, 3 << 20);
  mp_free(a, off);
  return NULL;
}

/* A handle of this process: its slot has a table that is copied. */
static int setup(struct mp_arena *a, void *p) {
  struct ctx *c = p;
  uint32_t handle;
  mp_cells_setup();
  int rc = mp_object_create(a, MP_T_LOCK, sizeof(struct mp_object) + 64,
                            &c->kept, &handle);
  c->blocks = blocks_of(a);
  return rc;
}

/* --- slots ----------------------------------------------------------------- */

/* The child that is started is this process itself: it lives while the slot
** is dropped, and is dead when the survivor looks. */
static int start_and_drop(struct mp_arena *a, void *p) {
  mp_proc child;
  (void)p;
  int rc = mp_slot_take(a, 1, &child);
  if (rc < 0)
    return rc;
  mp_slot_set_pid(a, child, getpid());
  mp_slot_note_status(a, child, 3);
  mp_slot_drop(a, child);
  return 0;
}

/* So many are free that the next one is taken from their queue. */
static int setup_free_slots(struct mp_arena *a, void *p) {
  mp_proc child[70];
  int rc = setup(a, p);
  for (int i = 0; rc == 0 && i < 70; i++)
    rc = mp_slot_take(a, 0, &child[i]);
  for (int i = 0; rc == 0 && i < 70; i++)
    mp_slot_drop(a, child[i]);
  return rc;
}

static int take_and_drop(struct mp_arena *a, void *p) {
  mp_proc child;
  (void)p;
  int rc = mp_slot_take(a, 1, &child);
  if (rc == 0)
    mp_slot_drop(a, child);
  return rc;
}

/* --- memory given back ------------------------------------------------------ */

enum { MANY = 6 };

static int setup_warm(struct mp_arena *a, void *p) {
  mp_off off[MANY];
  int rc = setup(a, p);
  for (int i = 0; rc == 0 && i < MANY; i++)
    rc = mp_alloc(a, 1 << 20, &off[i]);
  for (int i = 0; rc == 0 && i < MANY; i++) {
    memset(mp_at(a, off[i]), 1, 1 << 20);
    mp_free(a, off[i]);
  }
  return rc;
}

static int trim(struct mp_arena *a, void *p) {
  (void)p;
  mp_trim(a, 1);
  return 0;
}

/* --- objects ---------------------------------------------------------------- */

static int memory_life(struct mp_arena *a, void *p) {
  enum { SIZE = 70000 };
  mp_off off;
  uint32_t handle;
  (void)p;
  int rc = mp_object_create(a, MP_T_MEMORY, sizeof(struct mp_memory) + SIZE,
                            &off, &handle);
  if (rc < 0)
    return rc;
  struct mp_memory *m = mp_at(a, off);
  m->size = SIZE;
  m->data[0] = m->data[SIZE - 1] = 7;
  mp_object_detach(a, handle);
  return 0;
}

static int array_life(struct mp_arena *a, void *p) {
  enum { LENGTH = 50 };
  int type = mp_type_index('i');
  mp_off off;
  uint32_t handle;
  const struct ctx *c = p;
  int rc = mp_object_create(a, MP_T_ARRAY, mp_cells_size(type, LENGTH, 1),
                            &off, &handle);
  if (rc < 0)
    return rc;
  struct mp_cells *cells = mp_at(a, off);
  rc = mp_cells_init(a, cells, type, LENGTH, 0, c->kept);
  for (uint64_t i = 0; rc == 0 && i < LENGTH; i++)
    mp_cell_store(mp_cells_type(cells), mp_cells_at(cells, i),
                  (union mp_cell){.i = (int64_t)i});
  mp_object_detach(a, handle);
  return rc;
}

int main(void) {
  struct ctx c;
  const struct crash_case cases[] = {
    {"slot: start, status, drop", setup, start_and_drop, same_blocks, &c,
     NULL},
    {"slot: take from the queue", setup_free_slots, take_and_drop, same_blocks,
     &c, NULL},
    {"trim", setup_warm, trim, same_blocks, &c, NULL},
    {"memory: whole life", setup, memory_life, same_blocks, &c, NULL},
    {"array: whole life", setup, array_life, same_blocks, &c, NULL},
  };
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    crash_points(&cases[i]);
  printf("%ld passed, %ld failed\n", crash_total.points - crash_total.faults,
         crash_total.faults);
  return crash_total.faults != 0;
}
