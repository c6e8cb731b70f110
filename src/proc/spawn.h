/*
** spawn.h: the start method that begins with a fresh program
** MIT licence, see LICENSE
**
** The newborn finds on descriptor 3 the arena, on 4 its lifeline (or nothing)
** and what else was sent from 5 on; the last word of its command line tells it
** the rest (struct mp_birth).
*/

#ifndef MP_PROC_SPAWN_H
#define MP_PROC_SPAWN_H

#include "proc/child.h"

/* What a newborn must know; travels as text. */
struct mp_birth {
  mp_proc slot;
  mp_off settings; /* messages in the newborn's hand: how to be like its */
  mp_off payload;  /* parent; what to run */
  int has_lifeline;
  int server_fd; /* a forkserver's socket, or -1 */
};

enum {
  MP_BIRTH_TEXT = 96,
  MP_BIRTH_ARENA_FD = 3,
  MP_BIRTH_LIFELINE_FD = 4,
  MP_BIRTH_EXTRA_FD = 5
};

void mp_birth_write(const struct mp_birth *b, char text[MP_BIRTH_TEXT]);
int mp_birth_read(const char *text, struct mp_birth *b); /* or -EINVAL */

/*
** Runs argv (ends with NULL; the caller has put the birth's text last) for the
** child that mp_child_begin prepared.  0, or a negative code: then the child
** is aborted.  `extra` (-1: none) becomes descriptor 5.
*/
int mp_child_spawn(struct mp_child *c, struct mp_arena *a, char *const *argv,
                   int extra);

/* --- in the newborn --- */

/* Joins the arena, then boot.h's list. */
int mp_birth_boot(const struct mp_birth *b, struct mp_arena **out);

#endif
