/*
** object_test.c: counted objects, messages with references
** MIT licence, see LICENSE
*/

#include <signal.h>
#include <string.h>

#include "os/clock.h"
#include "shm_helper.h"

static mp_proc child_proc;

/* --- objects and messages --- */

static void test_objects(void) {
  enum { MANY = 100000 };
  struct mp_arena a;
  uint32_t *h = malloc(MANY * sizeof *h);
  mp_off *off = malloc(MANY * sizeof *off);
  open_arena(&a, UINT64_C(1) << 30);
  int64_t start = mp_now();
  for (int i = 0; i < MANY; i++)
    CHECK(mp_object_create(&a, MP_T_VALUE, 48, &off[i], &h[i]) == 0);
  printf("  object create: %lld ns\n", (long long)(mp_now() - start) / MANY);
  WHOLE(&a);
  CHECK(mp_object_is(&a, off[5], MP_T_VALUE));
  CHECK(!mp_object_is(&a, off[5], MP_T_LOCK));
  CHECK(!mp_object_is(&a, off[5] + 16, MP_T_VALUE));
  CHECK(!mp_object_is(&a, UINT64_MAX - 5, MP_T_VALUE));
  CHECK(!mp_object_is(&a, 64, MP_T_VALUE));
  start = mp_now();
  for (int i = 0; i < MANY; i++)
    mp_object_detach(&a, h[i]);
  printf("  object detach: %lld ns\n", (long long)(mp_now() - start) / MANY);
  CHECK(!mp_object_is(&a, off[5], MP_T_VALUE));
  CHECK(mp_object_attach(&a, off[5], &h[0]) == MP_ECORRUPT);
  CHECK(stats_of(&a).blocks == 0);
  WHOLE(&a);
  free(off);
  free(h);
  mp_arena_detach(&a);
}

static int destroyed;

struct owner {
  struct mp_object head;
  struct mp_guard guard;
  uint64_t message;
};

static void destroy_owner(struct mp_arena *a, mp_off off) {
  struct owner *o = mp_at(a, off);
  destroyed++;
  CHECK(mp_guard_enter(a, &o->guard) == 0);
  mp_off m = o->message;
  if (m != 0) {
    CHECK(mp_hand_set(a, &o->guard, m) == 0);
    mp_set64(a, &o->guard, &o->message, 0);
  }
  mp_guard_leave(a, &o->guard);
  if (m != 0)
    mp_message_free(a, m);
}

/* Owners that own messages that hold owners, 50,000 deep: no recursion. */
static void test_nested(void) {
  enum { DEEP = 50000 };
  struct mp_arena a;
  mp_off last = 0, m, off;
  uint32_t last_handle = 0, h;
  open_arena(&a, UINT64_C(1) << 30);
  mp_object_set_destroy(MP_T_QUEUE, destroy_owner);
  for (int i = 0; i < DEEP; i++) {
    CHECK(mp_object_create(&a, MP_T_QUEUE, sizeof(struct owner), &off, &h) ==
          0);
    struct owner *o = mp_at(&a, off);
    CHECK(mp_guard_init(&o->guard) == 0);
    if (last != 0) {
      CHECK(mp_message_alloc(&a, 10, &last, 1, &m) == 0);
      CHECK(mp_guard_enter(&a, &o->guard) == 0);
      mp_set64(&a, &o->guard, &o->message, m);
      mp_hand_clear(&a, &o->guard, m);
      mp_guard_leave(&a, &o->guard);
      mp_object_detach(&a, last_handle);
    }
    last = off;
    last_handle = h;
  }
  WHOLE(&a);
  CHECK(stats_of(&a).blocks == 2 * DEEP - 1 && destroyed == 0);
  mp_object_detach(&a, last_handle);
  CHECK(destroyed == DEEP && stats_of(&a).blocks == 0);
  WHOLE(&a);
  mp_object_set_destroy(MP_T_QUEUE, NULL);
  mp_arena_detach(&a);
}

static mp_off refs[2];

static int message_and_die(struct mp_arena *a) {
  mp_off m;
  mp_slot_enter(a, child_proc);
  mp_message_alloc(a, 1000, refs, 2, &m);
  mp_message_alloc(a, 1000000, refs, 2, &m);
  kill(getpid(), SIGKILL);
  return 0;
}

static void test_messages(void) {
  struct mp_arena a;
  mp_off m;
  uint32_t h[2];
  open_arena(&a, 0);
  for (int i = 0; i < 2; i++)
    CHECK(mp_object_create(&a, MP_T_VALUE, 64, &refs[i], &h[i]) == 0);
  CHECK(mp_message_alloc(&a, 333, refs, 2, &m) == 0);
  CHECK(mp_message_size(&a, m) == 333);
  CHECK((uintptr_t)mp_message_data(&a, m) % 16 == 0);
  memset(mp_message_data(&a, m), 1, 333);
  mp_object_detach(&a, h[0]);
  CHECK(mp_object_is(&a, refs[0], MP_T_VALUE)); /* the message keeps it */
  WHOLE(&a);
  CHECK(mp_object_attach(&a, refs[0], &h[0]) == 0);
  mp_message_free(&a, m);
  CHECK(((struct mp_object *)mp_at(&a, refs[0]))->count == 1);
  CHECK(mp_slot_take(&a, 0, &child_proc) == 0);
  CHECK(in_child(&a, message_and_die) == -1);
  CHECK(((struct mp_object *)mp_at(&a, refs[1]))->count == 3);
  mp_slot_drop(&a, child_proc);
  CHECK(((struct mp_object *)mp_at(&a, refs[1]))->count == 1);
  CHECK(stats_of(&a).blocks == 2);
  CHECK(mp_message_alloc(&a, SIZE_MAX - 8, NULL, 0, &m) == MP_ENOARENA);
  WHOLE(&a);
  mp_arena_detach(&a);
}

int main(void) {
  test_objects();
  test_nested();
  test_messages();
  return report();
}
