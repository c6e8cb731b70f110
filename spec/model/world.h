/*
** world.h: every order in which a few processes can do a few things
** MIT licence, see LICENSE
**
** The code that is explored is the library's own, compiled with atomics.h
** before it: each of its atomic operations, and each futex call, is a step,
** before which the world decides who goes on.  A run is one list of such
** decisions; the world goes through them all, depth first, by running from the
** beginning each time:
**
**     decision      1   2   3   4   5
**     first run     0   0   0   0   0
**     second run    0   0   0   0   1      the last that has another choice
**     third run     0   0   0   1   0      is changed, what follows is new
**
** What can happen: somebody else goes on though this one could (as often as
** `switches` in a run; who sleeps or ends gives way for nothing), a sleeper's
** time is over (counts as a switch; free when nobody can run), the one at its
** step is killed (as often as `kills`).  Memory orders are not explored: each
** step is seen by all at once; that is what the thread sanitizer is for.
*/

#ifndef MODEL_WORLD_H
#define MODEL_WORLD_H

#include <stdint.h>

enum { WORLD_MOST = 4 };

struct world {
  const char *name;
  int processes, switches, kills;
  void (*begin)(void);
  void (*live)(int me); /* one process: from 0 */
  void (*end)(void);    /* all that were not killed have ended */
};

/* Goes through all runs, prints a line, and returns 0 if no check failed. */
int world_explore(const struct world *w);

/* For the processes and `end`: */
void world_step(void);
void world_expect(int ok, const char *what);
int world_lives(int who);
int world_kills(void);

/* Sleepers that nobody woke, in this run: 0 unless wake-ups get lost. */
int world_overslept(void);

#endif
