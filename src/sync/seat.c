/*
** seat.c: who waits: the waiters of a Condition or a Barrier
** MIT licence, see LICENSE
*/

#include "sync/seat.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

enum { MORE_SEATS = 60 };

static int init_life(pthread_mutex_t *m) {
  pthread_mutexattr_t attr;
  int rc = pthread_mutexattr_init(&attr);
  if (rc != 0)
    return -rc;
  pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
  rc = pthread_mutex_init(m, &attr);
  pthread_mutexattr_destroy(&attr);
  return -rc;
}

static int init_block(struct mp_seats *s, uint64_t count) {
  int rc = 0;
  s->next = 0;
  s->count = count;
  for (uint64_t i = 0; rc == 0 && i < count; i++)
    rc = init_life(&s->seat[i].life);
  return rc;
}

int mp_seats_init(struct mp_seats *s) {
  s->tickets = 0;
  return init_block(s, MP_SEATS_FIRST);
}

/* Anybody's chair whose owner died is as good as a free one. */
static int try_seat(struct mp_seat *seat) {
  int rc = pthread_mutex_trylock(&seat->life);
  if (rc == EOWNERDEAD) {
    pthread_mutex_consistent(&seat->life);
    rc = 0;
  }
  return rc == 0;
}

int mp_seat_is_taken(struct mp_seat *seat) {
  if (!try_seat(seat))
    return 1;
  pthread_mutex_unlock(&seat->life);
  return 0;
}

void mp_seat_leave(struct mp_seat *seat) {
  pthread_mutex_unlock(&seat->life);
}

struct mp_seat *mp_seats_next(struct mp_arena *a, struct mp_seats_walk *w) {
  while (w->i >= w->block->count) {
    if (w->block->next == 0)
      return NULL;
    w->block = mp_at(a, w->block->next);
    w->i = 0;
  }
  return &w->block->seat[w->i++];
}

static struct mp_seat *find_free(struct mp_arena *a, struct mp_seats *s) {
  struct mp_seats_walk w = {s, 0};
  struct mp_seat *seat;
  while ((seat = mp_seats_next(a, &w)) != NULL) {
    if (try_seat(seat))
      return seat;
  }
  return NULL;
}

/* --- growth --------------------------------------------------------------- */

static int new_block(struct mp_arena *a, mp_off *out) {
  size_t size = offsetof(struct mp_seats, seat) +
                MORE_SEATS * sizeof(struct mp_seat);
  int rc = mp_alloc(a, size, out);
  if (rc < 0)
    return rc;
  memset(mp_at(a, *out), 0, size);
  rc = init_block(mp_at(a, *out), MORE_SEATS);
  if (rc < 0)
    mp_free(a, *out);
  return rc;
}

static int grow(struct mp_arena *a, struct mp_guard *g, struct mp_seats *s) {
  mp_off block;
  int rc = new_block(a, &block);
  if (rc < 0)
    return rc;
  rc = mp_guard_enter(a, g);
  if (rc < 0)
    return rc;
  while (s->next != 0)
    s = mp_at(a, s->next);
  mp_hand_clear(a, g, block);
  mp_set64(a, g, &s->next, block);
  mp_guard_leave(a, g);
  return 0;
}

int mp_seat_take(struct mp_arena *a, struct mp_guard *g, struct mp_seats *s,
                 struct mp_seat **out) {
  int rc;
  while ((rc = mp_guard_enter(a, g)) == 0) {
    *out = find_free(a, s);
    if (*out != NULL) {
      (*out)->ticket = s->tickets++;
      return 0;
    }
    mp_guard_leave(a, g);
    rc = grow(a, g, s);
    if (rc < 0)
      return rc;
  }
  return rc;
}

/* --- the end -------------------------------------------------------------- */

/* The first block behind s comes into the hand; 0: there is none. */
static mp_off cut(struct mp_arena *a, struct mp_guard *g, struct mp_seats *s) {
  mp_off block = s->next;
  if (block == 0 || mp_guard_enter(a, g) < 0)
    return 0;
  if (mp_hand_set(a, g, block) == 0)
    mp_set64(a, g, &s->next, ((struct mp_seats *)mp_at(a, block))->next);
  else
    block = 0;
  mp_guard_leave(a, g);
  return block;
}

void mp_seats_free(struct mp_arena *a, struct mp_guard *g, struct mp_seats *s) {
  mp_off block;
  while ((block = cut(a, g, s)) != 0)
    mp_free(a, block);
}
