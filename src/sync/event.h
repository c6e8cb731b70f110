/*
** event.h: Event: a flag that processes wait for
** MIT licence, see LICENSE
**
**     31 ............. 2   1     0
**   [ how often it was   | SET | SLEEPERS ]      one futex word
**   [ set               |     |          ]
**
** set:   CAS count + 1, SET, no SLEEPERS (release); then wake all if SLEEPERS
**        was set
** clear: CAS without SET
** wait:  until SET (acquire), or until the count differs from what it was: who
**        waited when the event was set goes on, however soon it is cleared
**
** SLEEPERS is set by CAS before the sleep and is part of the word slept on, so
** no wake-up is lost, and a dead sleeper costs one system call, once.
*/

#ifndef MP_SYNC_EVENT_H
#define MP_SYNC_EVENT_H

#include <stdatomic.h>
#include <stdint.h>

#include "shm/object.h"

struct mp_event {
  struct mp_object head;
  _Atomic uint32_t word;
};

void mp_event_set(struct mp_event *e);
void mp_event_clear(struct mp_event *e);
int mp_event_is_set(const struct mp_event *e);

/*
** 0: it is or was set; -ETIMEDOUT, -EINTR: then call again with the same
** `seen`, which is mp_event_begin's result.
*/
uint32_t mp_event_begin(const struct mp_event *e);
int mp_event_wait(struct mp_event *e, uint32_t seen, int64_t deadline);

#endif
