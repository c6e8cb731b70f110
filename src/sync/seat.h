/*
** seat.h: who waits: the waiters of a Condition or a Barrier
** MIT licence, see LICENSE
**
** A waiter takes a seat and holds the seat's robust mutex as long as it waits,
** so anybody can tell in nanoseconds whether it still lives: trylock says
** "busy" for a live waiter, and takes the mutex where there is none or a dead
** one.  Dead waiters are thus no waiters, without any list to clean up.
**
**   seats:  [ next | seat | seat | seat | seat ] --> [ next | seat ... ]
**
** Seats stay where they are until the object is destroyed: waiters sleep on
** their words.  Seats are taken and looked at inside the object's guard only,
** with trylock, so nobody ever waits for a seat's mutex.  A thread waits in one
** place at a time: the kernel's limit of robust mutexes is far away.
**
** The fields but `life` and `word` are written by the owner, or inside the
** guard; they count only while the seat is taken.
*/

#ifndef MP_SYNC_SEAT_H
#define MP_SYNC_SEAT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "shm/arena.h"
#include "shm/guard.h"
#include "shm/slot.h"

struct mp_seat {
  pthread_mutex_t life; /* robust: held by the waiter */
  _Atomic uint32_t word;
  _Atomic uint32_t pass;  /* barrier: the trip that lets it through */
  _Atomic uint32_t index; /* barrier: its place in that trip */
  uint32_t epoch;         /* barrier: when it came */
  uint64_t ticket;        /* order of arrival */
};

enum { MP_SEATS_FIRST = 4 };

struct mp_seats {
  mp_off next; /* struct mp_seats of `count` seats */
  uint64_t count;
  uint64_t tickets;
  struct mp_seat seat[MP_SEATS_FIRST];
};

int mp_seats_init(struct mp_seats *s);

/* Takes a free seat.  Enters the guard g and stays inside on success, so that
** the caller can fill the seat; 0 or a negative code. */
int mp_seat_take(struct mp_arena *a, struct mp_guard *g, struct mp_seats *s,
                 struct mp_seat **out);
/* Gives it up; inside the guard or not. */
void mp_seat_leave(struct mp_seat *seat);

/* Inside the guard: does somebody live sit there? */
int mp_seat_is_taken(struct mp_seat *seat);

/* Inside the guard: the seats one after the other; NULL begins and ends. */
struct mp_seats_walk {
  struct mp_seats *block;
  uint64_t i;
};
struct mp_seat *mp_seats_next(struct mp_arena *a, struct mp_seats_walk *w);

/* For destroy functions: gives back all blocks but the first. */
void mp_seats_free(struct mp_arena *a, struct mp_guard *g, struct mp_seats *s);

#endif
