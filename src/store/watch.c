/*
** watch.c: who is to be told by bell when a shared structure changes
** MIT licence, see LICENSE
*/

#include "store/watch.h"

#include <errno.h>
#include <string.h>

#include "os/bell.h"

static int replace(struct mp_watch *w, uint32_t from, uint32_t to) {
  for (int i = 0; i < MP_WATCHERS; i++) {
    if (w->bell[i] != from)
      continue;
    *(volatile uint32_t *)&w->bell[i] = to;
    return 0;
  }
  return -EBUSY;
}

int mp_watch_add(struct mp_arena *a, struct mp_guard *g, struct mp_watch *w,
                 uint32_t bell) {
  int rc = mp_guard_enter(a, g);
  if (rc < 0)
    return rc;
  rc = replace(w, 0, bell);
  mp_guard_leave(a, g);
  return rc;
}

void mp_watch_remove(struct mp_arena *a, struct mp_guard *g,
                     struct mp_watch *w, uint32_t bell) {
  if (mp_guard_enter(a, g) < 0)
    return;
  replace(w, bell, 0);
  mp_guard_leave(a, g);
}

/* Whoever adds itself looks at the structure afterwards, under its guard, so
** a watcher that is not seen here sees the change by itself. */
int mp_watch_any(const struct mp_watch *w) {
  for (int i = 0; i < MP_WATCHERS; i++)
    if (*(const volatile uint32_t *)&w->bell[i] != 0)
      return 1;
  return 0;
}

void mp_watch_ring(struct mp_arena *a, struct mp_guard *g,
                   struct mp_watch *w) {
  uint32_t bell[MP_WATCHERS];
  memcpy(bell, w->bell, sizeof(bell));
  for (int i = 0; i < MP_WATCHERS; i++)
    if (bell[i] != 0 && mp_bell_ring(bell[i]) == -ECONNREFUSED)
      mp_watch_remove(a, g, w, bell[i]);
}
