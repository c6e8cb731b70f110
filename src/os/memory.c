/*
** memory.c: how much memory the machine and the control group can still give
** MIT licence, see LICENSE
*/

#include "os/map.h"

#include <stdlib.h>

#include "os/text.h"

static uint64_t machine_can_give(void) {
  char text[4096];
  uint64_t kib;
  if (mp_text_read("/proc/meminfo", text, sizeof text) < 0 ||
      !mp_text_field(text, "MemAvailable:", &kib))
    return UINT64_MAX;
  return kib * 1024;
}

/* A number, or "max": then no limit. */
static uint64_t number_in(const struct mp_cgroup *g, const char *name) {
  char text[64];
  if (mp_cgroup_read(g, name, text, sizeof text) <= 0 || text[0] < '0' ||
      text[0] > '9')
    return UINT64_MAX;
  return strtoull(text, NULL, 10);
}

/* Page cache counts as used but can be had back. */
static uint64_t inactive_file(const struct mp_cgroup *g) {
  char text[16384];
  uint64_t n = 0;
  const char *name =
    g->version == 2 ? "inactive_file " : "total_inactive_file ";
  if (mp_cgroup_read(g, "memory.stat", text, sizeof text) > 0)
    mp_text_field(text, name, &n);
  return n;
}

static uint64_t group_can_give(const struct mp_cgroup *g) {
  int v2 = g->version == 2;
  uint64_t max = number_in(g, v2 ? "memory.max" : "memory.limit_in_bytes");
  if (max >= UINT64_MAX / 4)
    return UINT64_MAX;
  uint64_t used =
    number_in(g, v2 ? "memory.current" : "memory.usage_in_bytes");
  if (used == UINT64_MAX)
    return UINT64_MAX;
  uint64_t cache = inactive_file(g);
  used = used > cache ? used - cache : 0;
  return max > used ? max - used : 0;
}

uint64_t mp_memory_available(void) {
  struct mp_cgroup g;
  uint64_t least = machine_can_give();
  if (mp_cgroup_find("memory", &g) < 0)
    return least;
  do {
    uint64_t n = group_can_give(&g);
    if (n < least)
      least = n;
  } while (mp_cgroup_up(&g));
  return least;
}
