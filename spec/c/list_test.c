/*
** list_test.c: lists against a naive model
** MIT licence, see LICENSE
*/

#include "shm_helper.h"

#include <time.h>

#include "store/list.h"
#include "stored_helper.h"

enum { MOST = 200, STEPS = 60000 };

static struct mp_arena arena, *a = &arena;
static mp_off off;
static uint32_t handle;
static struct mp_list *l;

/* the model: a plain array */
static struct thing model[MOST + 1];
static uint32_t count;

static void open_list(void) {
  CHECK(mp_list_create(a, &off, &handle) == 0);
  l = mp_at(a, off);
  count = 0;
}

static void close_list(uint64_t blocks) {
  CHECK(mp_list_check(a, l) == 0);
  mp_object_detach(a, handle);
  CHECK(blocks_of(a) == blocks);
  WHOLE(a);
}

static struct thing any_thing(void) {
  static const uint64_t sizes[] = {0, 5, 8, 9, 60, 128, 129, 900, 1024, 1025};
  struct thing t = {.kind = T_INT + (int)random_below(5),
                    .size = sizes[random_below(10)],
                    .id = random_below(1000)};
  return t;
}

static int agrees(uint32_t i, int rc, struct mp_got *got) {
  if (i >= count || rc != 1)
    return i >= count && rc == 0;
  int yes = thing_is(got, &model[i]);
  mp_got_done(a, got);
  return yes;
}

static int insert(uint32_t i) {
  struct thing t = any_thing();
  struct mp_value v;
  thing_value(&t, &v);
  int rc = mp_list_insert(a, l, i, &v);
  if (i > count)
    return rc == -ERANGE;
  memmove(&model[i + 1], &model[i], (count - i) * sizeof *model);
  model[i] = t;
  count++;
  return rc == 1;
}

static int set(uint32_t i) {
  struct thing t = any_thing();
  struct mp_value v;
  if (i == count)
    return 1;
  thing_value(&t, &v);
  int rc = mp_list_set(a, l, i, &v);
  if (i > count)
    return rc == -ERANGE;
  model[i] = t;
  return rc == 0;
}

static void forget(uint32_t i) {
  count--;
  memmove(&model[i], &model[i + 1], (count - i) * sizeof *model);
}

static int pop(uint32_t i) {
  struct mp_got got;
  int good = agrees(i, mp_list_pop(a, l, i, &got), &got);
  if (i < count)
    forget(i);
  return good;
}

static int remove_int(void) {
  struct mp_value v;
  uint64_t id = random_below(1000), at = 0;
  uint32_t i = 0;
  mp_value_int(&v, (int64_t)id);
  while (i < count && (model[i].kind != T_INT || model[i].id != id))
    i++;
  int there = mp_list_find(a, l, 0, &v, &at);
  if (there != (i < count) || (there && at != i) ||
      mp_list_remove(a, l, &v) != there)
    return 0;
  if (there)
    forget(i);
  return 1;
}

static int reverse(void) {
  for (uint32_t i = 0; i < count / 2; i++) {
    struct thing t = model[i];
    model[i] = model[count - 1 - i];
    model[count - 1 - i] = t;
  }
  return mp_list_permute(a, l, NULL, 0) == 0;
}

static int extend(uint32_t n) {
  mp_off bag;
  uint32_t bag_handle;
  int rc = mp_list_create(a, &bag, &bag_handle);
  for (uint32_t i = 0; rc == 0 && i < n; i++) {
    struct mp_value v;
    model[count + i] = any_thing();
    thing_value(&model[count + i], &v);
    rc = mp_list_append(a, mp_at(a, bag), &v) - 1;
  }
  if (rc == 0)
    rc = mp_list_extend(a, l, mp_at(a, bag));
  mp_object_detach(a, bag_handle);
  count += n;
  return rc == 0;
}

static int one_step(void) {
  struct mp_got got;
  uint32_t i = random_below(count + 3);
  if (count > MOST - 20)
    return pop(0);
  switch (random_below(12)) {
  case 0: case 1:
    return insert(count);
  case 2:
    return insert(i);
  case 3:
    return insert(0);
  case 4: case 5:
    return set(i);
  case 6:
    return pop(i);
  case 7:
    return count == 0 || pop(count - 1);
  case 8:
    return remove_int();
  case 9:
    return random_below(10) != 0 || reverse();
  case 10:
    return random_below(10) != 0 || extend(random_below(15));
  default:
    return agrees(i, mp_list_get(a, l, i, &got), &got);
  }
}

static int all_agree(void) {
  struct mp_got got;
  for (uint32_t i = 0; i <= count; i++)
    if (!agrees(i, mp_list_get(a, l, i, &got), &got))
      return 0;
  return mp_list_count(a, l) == count && mp_list_check(a, l) == 0;
}

static void random_steps(void) {
  uint64_t blocks = blocks_of(a);
  open_list();
  int wrong = 0;
  for (int i = 0; i < STEPS && wrong == 0; i++) {
    wrong += !one_step();
    if (i % 100 == 0)
      wrong += !all_agree();
  }
  CHECK(wrong == 0);
  CHECK(all_agree());
  close_list(blocks);
}

/* --- numbers by value ----------------------------------------------------- */

static int finds(const struct mp_value *v) {
  uint64_t at;
  return mp_list_find(a, l, 0, v, &at);
}

static void equal_numbers(void) {
  uint64_t blocks = blocks_of(a);
  struct mp_value v;
  open_list();
  mp_value_int(&v, 3);
  CHECK(mp_list_append(a, l, &v) == 1);
  mp_value_float(&v, 9007199254740992.0);
  CHECK(mp_list_append(a, l, &v) == 1);
  mp_value_float(&v, 3.0);
  CHECK(finds(&v) == 1);
  mp_value_float(&v, 3.5);
  CHECK(finds(&v) == 0);
  mp_value_int(&v, INT64_C(9007199254740992));
  CHECK(finds(&v) == 1);
  mp_value_int(&v, INT64_C(9007199254740993));
  CHECK(finds(&v) == 0);
  mp_value_float(&v, 1e300);
  CHECK(finds(&v) == 0);
  close_list(blocks);
}

/* A line of waiting work: in at one end, out at the other. */
static void as_a_queue(void) {
  uint64_t blocks = blocks_of(a);
  struct mp_value v;
  struct mp_got got;
  int wrong = 0;
  open_list();
  for (int64_t i = 0; i < 50000; i++) {
    mp_value_int(&v, i);
    wrong += mp_list_append(a, l, &v) != 1;
    if (i < 20)
      continue;
    struct thing t = {.kind = T_INT, .id = (uint64_t)i - 20};
    wrong += mp_list_pop(a, l, 0, &got) != 1 || !thing_is(&got, &t);
  }
  CHECK(wrong == 0 && l->cap < 200);
  close_list(blocks);
}

int main(int argc, char **argv) {
  random_state = argc > 1 ? (uint32_t)atoi(argv[1]) : (uint32_t)time(NULL);
  printf("seed %u\n", random_state);
  open_arena(a, 64 << 20);
  mp_list_setup();
  open_list();
  mp_object_detach(a, handle); /* this process has a table of handles now */
  random_steps();
  equal_numbers();
  as_a_queue();
  mp_arena_detach(a);
  return report();
}
