/*
** pool_test.c: a pool's shared half, without Lua and without deaths
** MIT licence, see LICENSE
*/

#include <stdlib.h>

#include "pool_helper.h"

static int passed, failed;

static void expect(int ok, const char *what) {
  if (ok) {
    passed++;
  } else {
    failed++;
    printf("FAILED: %s\n", what);
  }
}

static struct mp_arena *arena;

static uint64_t blocks(void) {
  struct mp_arena_stats st;
  mp_arena_stats(arena, &st);
  return st.blocks;
}

static void order_and_slices(void) {
  mp_off off;
  uint32_t handle;
  struct pool_tally t;
  uint64_t before = blocks();
  memset(&t, 0, sizeof t);
  expect(pool_make(arena, &off, &handle) == 0, "make");
  struct mp_pool *p = mp_at(arena, off);
  expect(pool_stage(arena, off, 0, 100, 0) == 0, "stage");
  expect(p->pending == 0, "staged items are not in line");
  expect(pool_stage(arena, off, 100, 50, 7) == 0, "stage in chunks");
  expect(mp_pool_submit(arena, p) == 0, "submit");
  expect(p->pending == 150, "submitted items are in line");
  struct mp_pool_worker w;
  mp_pool_sit(&w, arena, p, 1, -1);
  expect(mp_pool_take(&w, 65536) == 1, "take");
  expect(w.seat->to - w.seat->from == 150 / 4, "half of an even share");
  expect(mp_pool_next(&w, 0, 0) == 0, "give it back");
  expect(p->pending == 150, "all is in line again");
  expect(pool_work(arena, off, 0, 10, UINT32_MAX) == 0, "work");
  expect(p->pending == 0, "the line is empty");
  expect(pool_read(arena, off, &t) == NULL, "read");
  expect(pool_exactly_once(&t, 150) == NULL, "each item once");
  mp_object_detach(arena, handle);
  expect(blocks() == before, "all is freed");
}

static void withdrawing(void) {
  mp_off off;
  uint32_t handle;
  uint64_t n, before = blocks();
  expect(pool_make(arena, &off, &handle) == 0, "make");
  struct mp_pool *p = mp_at(arena, off);
  pool_stage(arena, off, 0, 10, 0);
  pool_stage(arena, off, 10, 10, 0);
  mp_pool_submit(arena, p);
  expect(mp_pool_withdraw(arena, p, 2, &n) == 0 && n == 0, "another job");
  struct mp_pool_worker w;
  mp_pool_sit(&w, arena, p, 0, -1);
  expect(mp_pool_take(&w, 2) == 1, "take two");
  expect(mp_pool_withdraw(arena, p, 1, &n) == 0 && n == 18, "withdraw the rest");
  expect(p->pending == 0 && p->first == 0 && p->last == 0, "an empty line");
  expect(mp_pool_next(&w, 0, 0) == 0 && p->pending == 2, "two are back");
  pool_stage(arena, off, 20, 10, 0);
  mp_pool_unstage(arena, p);
  expect(p->staged == 0 && p->staged_items == 0, "nothing staged");
  pool_stage(arena, off, 30, 10, 0);
  mp_pool_submit(arena, p);
  expect(p->pending == 12, "the line goes on");
  mp_object_detach(arena, handle);
  expect(blocks() == before, "what is in line is freed with the pool");
}

static void functions(void) {
  mp_off off, f[3];
  uint32_t handle;
  uint64_t before = blocks();
  expect(pool_make(arena, &off, &handle) == 0, "make");
  struct mp_pool *p = mp_at(arena, off);
  for (uint64_t i = 0; i < 3; i++)
    expect(mp_pool_function_add(arena, p, 100, NULL, 0, i, &f[i]) == 0, "add");
  expect(mp_pool_function_drop(arena, p, f[1]) == 0, "drop one in the middle");
  expect(mp_pool_function_drop(arena, p, f[1]) < 0, "not twice");
  expect(mp_pool_function_drop(arena, p, f[2]) == 0, "drop the first");
  mp_object_detach(arena, handle);
  expect(blocks() == before, "functions are freed with the pool");
}

static void condemned(void) {
  mp_off off;
  uint32_t handle;
  struct mp_pool_running r;
  struct mp_pool_wreck wreck;
  pool_make(arena, &off, &handle);
  struct mp_pool *p = mp_at(arena, off);
  struct mp_pool_worker w;
  mp_pool_sit(&w, arena, p, 0, -1);
  expect(mp_pool_running(arena, p, 0, &r) == 0, "nothing");
  pool_stage(arena, off, 0, 4, 4);
  mp_pool_submit(arena, p);
  mp_pool_take(&w, 4);
  expect(mp_pool_running(arena, p, 0, &r) < 0, "between two");
  mp_pool_begin(&w, 0);
  expect(mp_pool_running(arena, p, 0, &r) == 1 && r.item == 0, "runs item 0");
  mp_pool_publish(&w, mp_pool_room(&w, 1) != NULL);
  expect(mp_pool_running(arena, p, 0, &r) < 0, "it is done");
  mp_pool_begin(&w, 1);
  expect(mp_pool_recover(arena, p, 0, &wreck) == 0, "dies");
  expect(wreck.left == 3 && wreck.first == 1 && wreck.ran, "of item 1");
  expect(mp_pool_requeue(arena, p, 0, 1) == 0 && p->pending == 2, "two left");
  mp_object_detach(arena, handle);
}

int main(void) {
  arena = malloc(sizeof *arena);
  if (arena == NULL || mp_arena_create(arena, 64 << 20) < 0)
    return 1;
  order_and_slices();
  withdrawing();
  functions();
  condemned();
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
