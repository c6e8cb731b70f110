/*
** keep.c: a word of an object that owns a block of the arena
** MIT licence, see LICENSE
*/

#include "sync/keep.h"

#include "shm/object.h"
#include "shm/slot.h"

int mp_keep_block(struct mp_arena *a, struct mp_guard *g, mp_off *word,
                  mp_off block) {
  int rc = mp_guard_enter(a, g);
  if (rc < 0)
    return rc;
  mp_hand_clear(a, g, block);
  mp_set64(a, g, word, block);
  mp_guard_leave(a, g);
  return 0;
}

int mp_keep_set(struct mp_arena *a, struct mp_guard *g, mp_off *word,
                mp_off to) {
  mp_off message;
  int rc = mp_message_alloc(a, 0, &to, 1, &message);
  if (rc < 0)
    return rc;
  rc = mp_keep_block(a, g, word, message);
  if (rc < 0)
    mp_message_free(a, message);
  return rc;
}

void mp_keep_drop(struct mp_arena *a, struct mp_guard *g, mp_off *word) {
  mp_off block = *word;
  if (block == 0 || mp_guard_enter(a, g) < 0)
    return;
  int rc = mp_hand_set(a, g, block);
  if (rc == 0)
    mp_set64(a, g, word, 0);
  mp_guard_leave(a, g);
  if (rc == 0)
    mp_free(a, block);
}
