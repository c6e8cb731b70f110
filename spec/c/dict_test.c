/*
** dict_test.c: dicts against a naive model, growth and shrinkage, keys
** MIT licence, see LICENSE
*/

#include "shm_helper.h"

#include <time.h>

#include "store/dict.h"
#include "stored_helper.h"

enum { KEYS = 300, STEPS = 60000 };

static struct mp_arena arena, *a = &arena;
static mp_off off;
static uint32_t handle;
static struct mp_dict *d;

static void open_dict(void) {
  CHECK(mp_dict_create(a, 0, &off, &handle) == 0);
  d = mp_at(a, off);
}

static void close_dict(uint64_t blocks) {
  CHECK(mp_dict_check(a, d) == 0);
  mp_object_detach(a, handle);
  CHECK(blocks_of(a) == blocks);
  WHOLE(a);
}

/* --- the model ------------------------------------------------------------ */

/* Key i is a string, an integer or a float by turns. */
static void key_of(uint32_t i, struct mp_key *k, char *room) {
  if (i % 3 == 0) {
    mp_key_string(k, room, (size_t)sprintf(room, "key number %u", i));
    return;
  }
  mp_key_int(k, (int64_t)i << (i % 2 ? 0 : 33));
  if (i % 3 == 2) {
    k->type = MP_S_FLOAT;
    k->number.d = i + 0.25;
    k->hash = mp_key_hash(k);
  }
}

static struct thing any_thing(void) {
  static const uint64_t sizes[] = {0, 5, 8, 9, 60, 128, 129, 900, 1024, 1025};
  struct thing t = {.kind = T_INT + (int)random_below(5),
                    .size = sizes[random_below(10)],
                    .id = random_below(1000000)};
  return t;
}

static int agrees(const struct thing *t, int rc, struct mp_got *got) {
  if (rc != 1)
    return rc == 0 && t->kind == T_NONE;
  int yes = t->kind != T_NONE && thing_is(got, t);
  mp_got_done(a, got);
  return yes;
}

static int set(const struct mp_key *k, struct thing *model) {
  struct thing t = any_thing();
  struct mp_value v;
  thing_value(&t, &v);
  int rc = mp_dict_set(a, d, k, &v), new = model->kind == T_NONE;
  *model = t;
  return rc == new;
}

static int setdefault(const struct mp_key *k, struct thing *model) {
  struct thing t = any_thing();
  struct mp_value v;
  struct mp_got got;
  thing_value(&t, &v);
  int rc = mp_dict_setdefault(a, d, k, &v, &got);
  if (model->kind != T_NONE)
    return agrees(model, rc, &got);
  *model = t;
  return rc == 0;
}

static int pop(const struct mp_key *k, struct thing *model) {
  struct mp_got got;
  int good = agrees(model, mp_dict_pop(a, d, k, &got), &got);
  model->kind = T_NONE;
  return good;
}

static int incr(const struct mp_key *k, struct thing *model) {
  struct mp_value one, sum;
  mp_value_int(&one, 1);
  int rc = mp_dict_incr(a, d, k, &one, &sum);
  if (model->kind > T_FLOAT)
    return rc == -EINVAL;
  if (model->kind == T_NONE)
    *model = (struct thing){.kind = T_INT};
  model->id++;
  return rc == 0;
}

static int one_step(struct thing *model) {
  uint32_t i = random_below(KEYS);
  struct mp_key k;
  struct mp_got got;
  char room[32];
  key_of(i, &k, room);
  switch (random_below(10)) {
  case 0: case 1: case 2:
    return set(&k, &model[i]);
  case 3:
    return setdefault(&k, &model[i]);
  case 4: case 5:
    return pop(&k, &model[i]);
  case 6:
    return incr(&k, &model[i]);
  default:
    return agrees(&model[i], mp_dict_get(a, d, &k, &got), &got);
  }
}

static int64_t count_of(const struct thing *model) {
  int64_t n = 0;
  for (uint32_t i = 0; i < KEYS; i++)
    n += model[i].kind != T_NONE;
  return n;
}

static int snapshot_agrees(const struct thing *model) {
  struct mp_buf b;
  size_t at = 0;
  int64_t n = 0;
  mp_buf_init(&b);
  int64_t got = mp_dict_snapshot(a, d, &b);
  for (; at < b.len; n++)
    at += mp_snapshot_size((struct mp_entry *)(void *)(b.data + at));
  mp_snapshot_free(a, &b);
  return n == got && n == count_of(model);
}

static void random_steps(void) {
  static struct thing model[KEYS];
  uint64_t blocks = blocks_of(a);
  open_dict();
  int wrong = 0;
  for (int i = 0; i < STEPS && wrong == 0; i++) {
    wrong += !one_step(model);
    if (i % 5000 == 0)
      wrong += mp_dict_check(a, d) < 0 || !snapshot_agrees(model);
  }
  CHECK(wrong == 0);
  CHECK(mp_dict_count(a, d) == count_of(model));
  close_dict(blocks);
}

/* --- size ----------------------------------------------------------------- */

static void grow_and_shrink(void) {
  uint64_t blocks = blocks_of(a);
  struct mp_arena_stats before, full, empty;
  struct mp_key k;
  struct mp_value v;
  open_dict();
  mp_arena_stats(a, &before);
  for (int64_t i = 0; i < 100000; i++) {
    mp_key_int(&k, i);
    mp_value_int(&v, i);
    mp_dict_set(a, d, &k, &v);
  }
  mp_arena_stats(a, &full);
  CHECK(mp_dict_count(a, d) == 100000 && mp_dict_check(a, d) == 0);
  /* key and value have 16 bytes; an entry may cost 120 beyond them */
  CHECK(full.used - before.used < 100000 * 120);
  for (int64_t i = 0; i < 100000; i++) {
    mp_key_int(&k, i);
    mp_dict_pop(a, d, &k, NULL);
  }
  mp_arena_stats(a, &empty);
  CHECK(mp_dict_count(a, d) == 0);
  CHECK(empty.used - before.used < 1024);
  close_dict(blocks);
}

/* Keys that come and go do not fill the table with deleted words. */
static void come_and_go(void) {
  uint64_t blocks = blocks_of(a);
  struct mp_key k;
  struct mp_value v;
  open_dict();
  for (int64_t i = 0; i < 50000; i++) {
    mp_key_int(&k, i);
    mp_value_int(&v, i);
    mp_dict_set(a, d, &k, &v);
    mp_key_int(&k, i - 10);
    mp_dict_pop(a, d, &k, NULL);
  }
  CHECK(mp_dict_count(a, d) == 10);
  CHECK(d->cap <= 64);
  close_dict(blocks);
}

static void merging(void) {
  uint64_t blocks = blocks_of(a);
  mp_off bag;
  uint32_t bag_handle;
  struct mp_key k;
  struct mp_value v;
  struct mp_got got;
  open_dict();
  CHECK(mp_dict_create(a, 0, &bag, &bag_handle) == 0);
  for (int64_t i = 0; i < 1000; i++) {
    mp_key_int(&k, i);
    mp_value_int(&v, i);
    mp_dict_set(a, d, &k, &v);
    mp_key_int(&k, i + 500);
    mp_value_int(&v, -i);
    mp_dict_set(a, mp_at(a, bag), &k, &v);
  }
  CHECK(mp_dict_merge(a, d, mp_at(a, bag)) == 0);
  CHECK(mp_dict_count(a, d) == 1500);
  CHECK(mp_dict_count(a, mp_at(a, bag)) == 500); /* what was replaced */
  mp_object_detach(a, bag_handle);
  int wrong = 0;
  for (int64_t i = 0; i < 1500; i++) {
    struct thing t = {.kind = T_INT, .id = (uint64_t)(i < 500 ? i : 500 - i)};
    mp_key_int(&k, i);
    wrong += !agrees(&t, mp_dict_get(a, d, &k, &got), &got);
  }
  CHECK(wrong == 0);
  close_dict(blocks);
}

/* --- a value that others still read --------------------------------------- */

static void reader_keeps_its_blob(void) {
  uint64_t blocks = blocks_of(a);
  struct thing t = {.kind = T_MESSAGE, .size = 100000, .id = 77};
  struct mp_key k;
  struct mp_value v;
  struct mp_got got;
  open_dict();
  mp_key_int(&k, 1);
  thing_value(&t, &v);
  CHECK(mp_dict_set(a, d, &k, &v) == 1);
  CHECK(mp_dict_get(a, d, &k, &got) == 1);
  CHECK(mp_dict_pop(a, d, &k, NULL) == 1);
  CHECK(thing_is(&got, &t));
  mp_got_done(a, &got);
  close_dict(blocks);
}

static int no_memory_left(void) {
  struct thing t = {.kind = T_STRING, .size = 900, .id = 1};
  struct mp_key k;
  struct mp_value v;
  thing_value(&t, &v);
  for (int64_t i = 0; i < 10000000; i++) {
    mp_key_int(&k, i);
    if (mp_dict_set(a, d, &k, &v) == MP_ENOARENA)
      return 1;
  }
  return 0;
}

static void full_arena(void) {
  uint64_t blocks = blocks_of(a);
  struct mp_key k;
  struct mp_got got;
  open_dict();
  CHECK(no_memory_left());
  CHECK(mp_dict_check(a, d) == 0);
  mp_key_int(&k, 1);
  CHECK(mp_dict_get(a, d, &k, &got) == 1);
  CHECK(mp_dict_pop(a, d, &k, NULL) == 1);
  close_dict(blocks);
}

int main(int argc, char **argv) {
  random_state = argc > 1 ? (uint32_t)atoi(argv[1]) : (uint32_t)time(NULL);
  printf("seed %u\n", random_state);
  open_arena(a, 64 << 20);
  mp_dict_setup();
  open_dict();
  mp_object_detach(a, handle); /* this process has a table of handles now */
  random_steps();
  grow_and_shrink();
  come_and_go();
  merging();
  reader_keeps_its_blob();
  full_arena();
  mp_arena_detach(a);
  return report();
}
