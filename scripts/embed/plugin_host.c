/*
** plugin_host.c: runs plugins that nobody trusts, and outlives them all
** MIT licence, see LICENSE
**
** cc plugin_host.c -o plugin_host $(pkg-config --cflags --libs mplua)
** usage: plugin_host [DIRECTORY of bad_module.so]
**
** Each plugin runs in a process of its own with limits, all at the same time;
** the host waits for them in one poll(2) and reports each as it ends.
*/

#include <mplua.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

struct plugin {
  const char *name;
  const char *source;
  unsigned flags;
  double seconds; /* wall time */
};

static const struct plugin plugins[] = {
    {"good", "local n = ... print('working') return n * n, 'fine'", 0, 60},
    {"endless", "while true do end", 0, 60},
    {"stuck", "local mp = require 'multiprocessing' mp.sleep(1000)",
     MPLUA_RUN_ALL_LIBRARIES, 0.5},
    {"hog", "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(10000) .. i end",
     0, 60},
    {"crash", "require 'bad_module'", MPLUA_RUN_ALL_LIBRARIES, 60},
    {"quitter", "os.exit(3)", MPLUA_RUN_ALL_LIBRARIES, 60},
    {"flood", "while true do print(('x'):rep(1000)) end", 0, 60},
    {"wrong", "local function f(x) return x.y end return f(nil)", 0, 60},
    {"thief", "return io.open('/etc/passwd'):read('a')", 0, 60},
    {"sneak", "return io.open('/etc/passwd'):read('a')",
     MPLUA_RUN_ALL_LIBRARIES | MPLUA_RUN_SECCOMP, 60},
};

enum { COUNT = sizeof plugins / sizeof *plugins };

static mplua_run *start(const struct plugin *p, const char *cpath) {
  mplua_run *run = NULL;
  mplua_run_options o;
  struct mplua_error e;
  mplua_run_options_init(&o);
  o.flags |= p->flags;
  o.cpu_seconds = 0.5;
  o.wall_seconds = p->seconds;
  o.lua_memory = 16 << 20;
  o.chunkname = p->name;
  o.cpath = cpath;
  mplua_values *args = mplua_values_new();
  if (args == NULL || mplua_push_integer(args, 12) < 0)
    return NULL;
  if (mplua_run_start(&run, p->source, strlen(p->source), args, &o, &e) < 0)
    fprintf(stderr, "%s: %s\n", p->name, e.message);
  mplua_values_free(args);
  return run;
}

static void report(const struct plugin *p, mplua_run *run) {
  const mplua_report *r = mplua_run_report(run);
  int64_t n = 0;
  mplua_get_integer(mplua_run_results(run), 1, &n);
  printf("%s: %s", p->name, mplua_outcome_name(r->outcome));
  if (r->outcome == MPLUA_RAN)
    printf(" %lld after printing %s", (long long)n, r->output);
  else
    printf(" (%s)\n", r->error);
  fprintf(stderr, "  %.2f s, CPU %.2f s, %lld KiB\n", r->wall_seconds,
          r->user_seconds + r->system_seconds, (long long)r->max_rss / 1024);
}

/* Waits for one more of them; those that have ended are -1 to poll(2). */
static void wait_for_one(mplua_run **runs, struct pollfd *fds) {
  poll(fds, COUNT, -1);
  for (int i = 0; i < COUNT; i++) {
    if (fds[i].fd < 0 || fds[i].revents == 0 || !mplua_run_wait(runs[i], 0))
      continue;
    report(&plugins[i], runs[i]);
    fds[i].fd = -1;
  }
}

static int running(const struct pollfd *fds) {
  int n = 0;
  for (int i = 0; i < COUNT; i++)
    n += fds[i].fd >= 0;
  return n;
}

int main(int argc, char **argv) {
  mplua_run *runs[COUNT];
  struct pollfd fds[COUNT];
  char cpath[4096];
  mplua_child_entry(argc, argv);
  snprintf(cpath, sizeof cpath, "%s/?.so", argc > 1 ? argv[1] : ".");
  for (int i = 0; i < COUNT; i++) {
    runs[i] = start(&plugins[i], cpath);
    fds[i].fd = runs[i] != NULL ? mplua_run_fileno(runs[i]) : -1;
    fds[i].events = POLLIN;
  }
  while (running(fds) > 0)
    wait_for_one(runs, fds);
  for (int i = 0; i < COUNT; i++)
    mplua_run_free(runs[i]);
  puts("the host lives");
  return 0;
}
