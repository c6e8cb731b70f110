/*
** pollset.h: many descriptors behind one
** MIT licence, see LICENSE
**
** A poll set is a descriptor that is readable while any of those it watches is:
** it can stand in anybody's poll.  Each watched one has a number; they are
** level-triggered.
*/

#ifndef MP_OS_POLLSET_H
#define MP_OS_POLLSET_H

#include <stdint.h>

int mp_pollset_open(void); /* CLOEXEC; or a negative errno */
int mp_pollset_add(int set, int fd, uint32_t number);
int mp_pollset_remove(int set, int fd);

/* From now on fd counts while it can be read from, written to, or neither. */
int mp_pollset_change(int set, int fd, uint32_t number, int in, int out);

/* The numbers of up to `room` that are readable now; how many. */
int mp_pollset_ready(int set, uint32_t *numbers, int room);

/* A descriptor that becomes readable at a deadline (clock.h); MP_FOREVER:
** never. */
int mp_timer_open(void);
int mp_timer_set(int timer, int64_t deadline);

#endif
