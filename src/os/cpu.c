/*
** cpu.c: how many CPUs this process may really use
** MIT licence, see LICENSE
*/

#include "os/self.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/text.h"

/* The mask of the kernel may be larger than a cpu_set_t: ask with more. */
static int count_affinity(void) {
  for (size_t cpus = 1024; cpus <= 1 << 20; cpus *= 4) {
    cpu_set_t *set = CPU_ALLOC(cpus);
    if (set == NULL)
      break;
    size_t size = CPU_ALLOC_SIZE(cpus);
    int rc = sched_getaffinity(0, size, set);
    int err = rc == 0 ? 0 : errno;
    int n = rc == 0 ? CPU_COUNT_S(size, set) : 0;
    CPU_FREE(set);
    if (rc == 0)
      return n;
    if (err != EINVAL)
      break;
  }
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? (int)online : 1;
}

/* CPUs that one group grants, in thousandths; 0: no limit. */
static long long quota_of(const struct mp_cgroup *g) {
  char text[64];
  long long quota = -1, period = 0;
  if (g->version == 2) {
    if (mp_cgroup_read(g, "cpu.max", text, sizeof text) > 0 &&
        sscanf(text, "%lld %lld", &quota, &period) != 2)
      return 0;
  } else {
    if (mp_cgroup_read(g, "cpu.cfs_quota_us", text, sizeof text) > 0)
      quota = atoll(text);
    if (mp_cgroup_read(g, "cpu.cfs_period_us", text, sizeof text) > 0)
      period = atoll(text);
  }
  return quota > 0 && period > 0 ? quota * 1000 / period : 0;
}

/* A group is bound by the limits of all the groups above it, too. */
static int apply_quota(int cpus) {
  struct mp_cgroup g;
  if (mp_cgroup_find("cpu", &g) < 0)
    return cpus;
  do {
    long long milli = quota_of(&g);
    long long whole = (milli + 999) / 1000;
    if (milli > 0 && whole < cpus)
      cpus = (int)whole;
  } while (mp_cgroup_up(&g));
  return cpus;
}

int mp_cpu_count(void) {
  int cpus = apply_quota(count_affinity());
  return cpus > 0 ? cpus : 1;
}
