/*
** embed_pool_test.c: a pool as a C host uses it
** MIT licence, see LICENSE
*/

#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "embed_helper.h"

#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

/* What a callback has seen of one call. */
struct seen {
  int calls;
  int64_t task;
  int code;
  int count;
  int64_t integer;
  char text[200];
  char traceback[500];
};

static void note(void *data, const mplua_result *r) {
  struct seen *s = data;
  const char *text = r->error;
  s->calls++;
  s->task = r->task;
  s->code = r->code;
  s->count = mplua_count(r->values);
  mplua_get_integer(r->values, 1, &s->integer);
  mplua_get_string(r->values, 1, &text, NULL);
  snprintf(s->text, sizeof s->text, "%s", text);
  snprintf(s->traceback, sizeof s->traceback, "%s", r->traceback);
}

static mplua_pool *new_pool(const mplua_pool_options *o) {
  struct mplua_error e;
  mplua_pool *p = NULL;
  int rc = mplua_pool_new(&p, o, &e);
  if (rc < 0)
    printf("pool: %d %s\n", rc, e.message);
  check(rc == 0, "a pool");
  return p;
}

static mplua_pool_options two(void) {
  mplua_pool_options o;
  mplua_pool_options_init(&o);
  o.processes = 2;
  return o;
}

/* All that is pending is handed out, within a minute. */
static void drain(mplua_pool *p) {
  for (int i = 0; i < 60 && mplua_pool_pending(p) > 0; i++)
    mplua_pool_poll(p, 1);
  check(mplua_pool_pending(p) == 0, "nothing is pending");
}

/* Calls one function and waits. */
static struct seen run(mplua_pool *p, const char *function,
                       const mplua_values *args, mplua_task t) {
  struct seen s = {.code = 1};
  struct mplua_error e;
  t.callback = note;
  t.data = &s;
  int64_t id = mplua_pool_submit(p, function, args, &t, &e);
  if (id < 0)
    printf("%s: %s\n", function, e.message);
  drain(p);
  check(s.calls == 1 && s.task == id, "one callback, for this call");
  return s;
}

static struct seen run_source(mplua_pool *p, const char *source,
                              mplua_task t) {
  struct seen s = {.code = 1};
  t.callback = note;
  t.data = &s;
  check(mplua_pool_submit_source(p, source, NULL, &t, NULL) > 0, source);
  drain(p);
  check(s.calls == 1, "one callback");
  return s;
}

/* --- calls ---------------------------------------------------------------- */

static void test_by_name(mplua_pool *p) {
  static const mplua_task plain;
  mplua_values *args = mplua_values_new();
  mplua_push_string(args, "ab");
  mplua_push_integer(args, 3);
  struct seen s = run(p, "string.rep", args, plain);
  check(s.code == 0 && strcmp(s.text, "ababab") == 0, "a library's function");
  mplua_values_clear(args);
  mplua_push_integer(args, 20);
  s = run(p, "twice", args, plain);
  check(s.code == 0 && s.integer == 40, "a global of the initializer's");
  s = run(p, "tools.deep.thrice", args, plain);
  check(s.code == 0 && s.integer == 60, "a field of a global's field");
  s = run(p, "mplua_test_module.four", args, plain);
  check(s.code == 0 && s.integer == 80, "a module's function");
  s = run(p, "no_such", args, plain);
  check(s.code == MPLUA_ELUA && strstr(s.text, "no function 'no_such'"),
        "an unknown name");
  s = run(p, "nowhere.at_all", args, plain);
  check(s.code == MPLUA_ELUA && strstr(s.text, "module 'nowhere' not found"),
        "an unknown module");
  mplua_values_free(args);
}

static void test_by_source(mplua_pool *p) {
  static const mplua_task plain;
  struct seen s = run_source(p, "return 1, nil, nil", plain);
  check(s.code == 0 && s.count == 3 && s.integer == 1, "three results");
  s = run_source(p, "return", plain);
  check(s.code == 0 && s.count == 0, "no results");
  s = run_source(p, "local function f() error 'boo' end f()", plain);
  check(s.code == MPLUA_ELUA && strstr(s.text, "boo") &&
            strstr(s.traceback, "'f'"), "an error, with its traceback");
  s = run_source(p, "this is no Lua", plain);
  check(s.code == MPLUA_ELUA && strstr(s.text, "syntax error"), "no Lua");
  s = run_source(p, "return ('x'):rep(1e6):len()", plain);
  check(s.integer == 1000000, "the pool goes on");
}

static void test_from_a_stack(mplua_pool *p) {
  struct seen s = {.code = 1};
  mplua_task t = {.callback = note, .data = &s};
  struct mplua_error e;
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  mplua_openlibs(L);
  lua_pushliteral(L, "below");
  check(luaL_loadstring(L, "local up = 100 base = 1000\n"
                           "return function(a, b) return up + base + a * b end")
            == LUA_OK && lua_pcall(L, 0, 1, 0) == LUA_OK, "a function");
  lua_pushinteger(L, 6);
  lua_pushinteger(L, 7);
  check(mplua_pool_submit_stack(p, L, 2, &t, &e) > 0 && lua_gettop(L) == 1,
        "submitted, popped");
  drain(p);
  check(s.code == 0 && s.integer == 1142, "upvalue, global, arguments");
  lua_getglobal(L, "print");
  lua_newthread(L);
  check(mplua_pool_submit_stack(p, L, 1, &t, &e) == MPLUA_ELUA &&
            strstr(e.message, "thread") && lua_gettop(L) == 1,
        "what can not be sent");
  lua_close(L);
}

static void test_troubles(mplua_pool *p) {
  mplua_task t = {0};
  struct seen s = run_source(p, "os.exit(5)", t);
  check(s.code == MPLUA_ELOST && strstr(s.text, "5"), "os.exit in a worker");
  s = run_source(p, "require 'multiprocessing'.kill(require "
                    "'multiprocessing'.getpid(), 9)", t);
  check(s.code == MPLUA_ELOST, "a killed worker");
  t.timeout = 0.1;
  s = run_source(p, "while true do end", t);
  check(s.code == -ETIMEDOUT, "a call that takes too long");
  t.timeout = 0;
  t.retries = 2;
  s = run_source(p, "if not TRIED then os.exit(1) end", t);
  check(s.code == MPLUA_ELOST && strstr(s.text, "3") != NULL,
        "retries that do not help");
  mplua_values *args = mplua_values_new();
  lua_pushcfunction(mplua_values_state(args), luaopen_io);
  struct mplua_error e;
  check(mplua_pool_submit(p, "print", args, NULL, &e) == MPLUA_ELUA &&
            strstr(e.message, "args[1]"), "an argument that is no data");
  mplua_values_free(args);
}

static void test_cancel(mplua_pool *p) {
  struct seen s[3] = {{0}};
  int64_t id[3];
  for (int i = 0; i < 3; i++) {
    mplua_task t = {.callback = note, .data = &s[i]};
    id[i] = mplua_pool_submit_source(p, "while true do end", NULL, &t, NULL);
  }
  check(mplua_pool_pending(p) == 3, "three are pending");
  check(mplua_pool_poll(p, 0.05) == 0, "none has finished");
  for (int i = 2; i >= 0; i--)
    check(mplua_pool_cancel(p, id[i]) == 1, "cancelled");
  drain(p);
  for (int i = 0; i < 3; i++)
    check(s[i].code == -ECANCELED && s[i].calls == 1, "told so, once");
  check(mplua_pool_cancel(p, id[0]) == 0 && mplua_pool_cancel(p, 99999) == 0,
        "nothing to cancel");
}

/* --- event loops ---------------------------------------------------------- */

struct chain {
  mplua_pool *pool;
  int left;
  int busy;
  int64_t last;
};

static void next_link(void *data, const mplua_result *r) {
  struct chain *c = data;
  mplua_task t = {.callback = next_link, .data = c};
  mplua_get_integer(r->values, 1, &c->last);
  c->busy += mplua_pool_poll(c->pool, 0) == -EBUSY;
  if (c->left-- <= 0)
    return;
  mplua_values *args = mplua_values_new();
  mplua_push_integer(args, c->last);
  mplua_pool_submit_source(c->pool, "return ... + 1", args, &t, NULL);
  mplua_values_free(args);
}

/* Each callback submits the next call; only the descriptor is waited for. */
static void test_chain(mplua_pool *p) {
  struct chain c = {.pool = p, .left = 100};
  mplua_task t = {.callback = next_link, .data = &c};
  struct pollfd fd = {.fd = mplua_pool_fileno(p), .events = POLLIN};
  mplua_pool_submit_source(p, "return 0", NULL, &t, NULL);
  while (mplua_pool_pending(p) > 0) {
    if (poll(&fd, 1, 30000) != 1) {
      check(0, "the descriptor tells");
      break;
    }
    mplua_pool_poll(p, 0);
  }
  check(c.last == 100 && c.busy == 101, "a hundred links");
  check(fd.fd == mplua_pool_fileno(p), "the same number");
}

static void count(void *data, const mplua_result *r) {
  *(int *)data += r->code == 0;
}

/* More than are collected at once, by the descriptor alone. */
static void test_many(mplua_pool *p) {
  int done = 0;
  mplua_task t = {.callback = count, .data = &done};
  struct pollfd fd = {.fd = mplua_pool_fileno(p), .events = POLLIN};
  for (int i = 0; i < 500; i++)
    mplua_pool_submit(p, "math.random", NULL, &t, NULL);
  while (mplua_pool_pending(p) > 0 && poll(&fd, 1, 30000) == 1)
    mplua_pool_poll(p, 0);
  check(done == 500, "five hundred");
}

/* Neither the timeout of a call nor a death needs anything but the fd. */
static void test_fd_alone(mplua_pool *p) {
  struct seen s[2] = {{0}};
  mplua_task slow = {.callback = note, .data = &s[0], .timeout = 0.1};
  mplua_task dying = {.callback = note, .data = &s[1]};
  struct pollfd fd = {.fd = mplua_pool_fileno(p), .events = POLLIN};
  mplua_pool_poll(p, 0);
  mplua_pool_submit_source(p, "while true do end", NULL, &slow, NULL);
  mplua_pool_submit_source(p, "os.exit(1)", NULL, &dying, NULL);
  while (mplua_pool_pending(p) > 0 && poll(&fd, 1, 30000) == 1)
    mplua_pool_poll(p, 0);
  check(s[0].code == -ETIMEDOUT && s[1].code == MPLUA_ELOST,
        "timeout and death");
}

/* --- ends ----------------------------------------------------------------- */

static void test_close(void) {
  mplua_pool_options o = two();
  struct seen s = {0};
  mplua_task t = {.callback = note, .data = &s};
  struct mplua_error e;
  mplua_pool *p = new_pool(&o);
  mplua_pool_submit_source(p, "return 11", NULL, &t, NULL);
  check(mplua_pool_close(p) == 0, "close");
  check(mplua_pool_submit(p, "print", NULL, &t, &e) == MPLUA_ECLOSED,
        "no more calls");
  check(mplua_pool_join(p, 60) == 1, "join");
  check(mplua_pool_poll(p, 0) == 1 && s.integer == 11, "nothing was lost");
  check(mplua_pool_poll(p, 10) == 0, "nothing is left");
  check(mplua_pool_submit(p, "print", NULL, &t, &e) == MPLUA_ECLOSED, "still");
  mplua_pool_free(p);
}

static void test_terminate(void) {
  mplua_pool_options o = two();
  struct seen s = {0};
  mplua_task t = {.callback = note, .data = &s};
  o.start_method = "spawn";
  mplua_pool *p = new_pool(&o);
  mplua_pool_submit_source(p, "while true do end", NULL, &t, NULL);
  check(mplua_pool_join(p, 0) < 0, "join of an open pool");
  check(mplua_pool_terminate(p) == 0 && mplua_pool_join(p, 60) == 1, "ended");
  check(mplua_pool_poll(p, 0) == 1 && s.code == -ECANCELED, "told so");
  mplua_pool_free(p);
}

/* A pool is freed while its workers work. */
static void test_free(void) {
  mplua_pool_options o = two();
  struct seen s = {0};
  mplua_task t = {.callback = note, .data = &s};
  o.start_method = "fork";
  mplua_pool *p = new_pool(&o);
  for (int i = 0; i < 10; i++)
    mplua_pool_submit_source(p, "while true do end", NULL, &t, NULL);
  mplua_pool_free(p);
  check(s.calls == 0, "no callback");
}

static void free_it(void *data, const mplua_result *r) {
  mplua_pool **p = data;
  check(r->code == 0 && *p != NULL, "called once");
  mplua_pool_free(*p);
  *p = NULL;
}

static void test_free_in_callback(void) {
  mplua_pool_options o = two();
  mplua_pool *p = new_pool(&o), *same = p;
  mplua_task t = {.callback = free_it, .data = &p};
  for (int i = 0; i < 5; i++)
    mplua_pool_submit_source(p, "return 1", NULL, &t, NULL);
  for (int i = 0; i < 60 && p != NULL; i++)
    mplua_pool_poll(same, 1);
  check(p == NULL, "freed");
}

static void test_failures(void) {
  mplua_pool_options o = two();
  mplua_pool *p = NULL;
  struct mplua_error e;
  o.executable = "/nowhere/at/all";
  check(mplua_pool_new(&p, &o, &e) < 0 && p == NULL &&
            strstr(e.message, "/nowhere/at/all"), "no such program");
  o = two();
  o.start_method = "magic";
  check(mplua_pool_new(&p, &o, &e) == MPLUA_ELUA &&
            strstr(e.message, "magic"), "no such method");
  o = two();
  o.initializer = "error 'not today'";
  if (mplua_pool_new(&p, &o, &e) == 0) {
    struct seen s = {0};
    mplua_task t = {.callback = note, .data = &s};
    int64_t id = mplua_pool_submit(p, "print", NULL, &t, &e);
    drain(p);
    check(id == MPLUA_EBROKEN ||
              (s.code == MPLUA_EBROKEN && strstr(s.text, "not today")),
          "a broken pool");
    mplua_pool_free(p);
  }
}

/* --- hosts of all kinds --------------------------------------------------- */

static void *use_a_pool(void *arg) {
  static const mplua_task plain;
  mplua_pool_options o = two();
  int *good = arg;
  mplua_pool *p = NULL;
  o.initializer = "function twice(x) return 2 * x end";
  if (mplua_pool_new(&p, &o, NULL) < 0)
    return NULL;
  mplua_values *args = mplua_values_new();
  mplua_push_integer(args, 4);
  for (int i = 0; i < 50; i++) {
    struct seen s = {0};
    mplua_task t = plain;
    t.callback = note;
    t.data = &s;
    mplua_pool_submit(p, "twice", args, &t, NULL);
    while (mplua_pool_pending(p) > 0)
      mplua_pool_poll(p, -1);
    *good += s.integer == 8;
  }
  mplua_values_free(args);
  mplua_pool_free(p);
  return NULL;
}

static void test_threads(void) {
  enum { THREADS = 3 };
  pthread_t threads[THREADS];
  int good[THREADS] = {0};
  for (int i = 0; i < THREADS; i++)
    check(pthread_create(&threads[i], NULL, use_a_pool, &good[i]) == 0,
          "thread");
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    check(good[i] == 50, "fifty calls in each thread");
  }
}

static void test_few_descriptors(void) {
  struct rlimit old, few;
  mplua_pool_options o = two();
  int failures = 0;
  getrlimit(RLIMIT_NOFILE, &old);
  for (rlim_t n = 4; n < 40; n += 4) {
    mplua_pool *p = NULL;
    struct mplua_error e = {.code = 0};
    few = old;
    few.rlim_cur = n;
    setrlimit(RLIMIT_NOFILE, &few);
    int rc = mplua_pool_new(&p, &o, &e);
    setrlimit(RLIMIT_NOFILE, &old);
    failures += rc < 0;
    check(rc == 0 || (e.code == rc && e.message[0] != '\0'),
          "a pool, or a code and a message");
    mplua_pool_free(p);
  }
  check(failures > 1, "there were too few");
}

/* How this process deals with signals, as text. */
static void signals_text(char *text, size_t room) {
  sigset_t mask;
  size_t n = 0;
  sigprocmask(SIG_SETMASK, NULL, &mask);
  for (int sig = 1; sig < 65; sig++) {
    struct sigaction sa;
    memset(&sa, 0, sizeof sa);
    sigaction(sig, NULL, &sa);
    n += (size_t)snprintf(text + n, room - n, "%d %d %p\n", sig,
                          sigismember(&mask, sig), (void *)(uintptr_t)sa.sa_handler);
  }
}

/* Less and less address space, in a process that may be spoilt by it. */
#ifdef __SANITIZE_ADDRESS__
static void test_little_memory(void) {}
#else
static void make_one(uint64_t bytes) {
  struct rlimit limit = {bytes, bytes};
  struct mplua_error e = {.code = 0};
  mplua_pool_options o = two();
  mplua_pool *p = NULL;
  setrlimit(RLIMIT_AS, &limit);
  int rc = mplua_pool_new(&p, &o, &e);
  if (rc == 0)
    mplua_pool_free(p);
  _exit(rc == 0 ? 0 : e.code == rc && e.message[0] != '\0' ? 1 : 2);
}

static void test_little_memory(void) {
  int good = 0, bad = 0, status = -1;
  for (uint64_t mib = 4; mib < 200; mib += mib / 3 + 1) {
    pid_t pid = fork();
    if (pid == 0)
      make_one(mib << 20);
    waitpid(pid, &status, 0);
    good += status == 0;
    bad += WIFEXITED(status) && WEXITSTATUS(status) == 1;
    check(WIFEXITED(status) && WEXITSTATUS(status) < 2,
          "a pool, or a code and a message");
  }
  check(good > 0 && bad > 0, "some of each");
}
#endif

static void write_module(char *directory) {
  char path[64];
  strcpy(directory, "/tmp/mplua-test-XXXXXX");
  check(mkdtemp(directory) != NULL, "a directory");
  snprintf(path, sizeof path, "%s/mplua_test_module.lua", directory);
  FILE *f = fopen(path, "w");
  fputs("return { four = function(x) return 4 * x end }\n", f);
  fclose(f);
}

static void remove_module(const char *directory) {
  char path[64];
  snprintf(path, sizeof path, "%s/mplua_test_module.lua", directory);
  remove(path);
  rmdir(directory);
}

static void test_all(const char *method) {
  char directory[32], path[64];
  mplua_pool_options o = two();
  write_module(directory);
  snprintf(path, sizeof path, "%s/?.lua", directory);
  o.start_method = method;
  o.path = path;
  o.initializer = "function twice(x) return 2 * x end\n"
                  "tools = { deep = { thrice = function(x) return 3 * x end } }";
  mplua_pool *p = new_pool(&o);
  if (p == NULL)
    return;
  test_by_name(p);
  test_by_source(p);
  test_from_a_stack(p);
  test_troubles(p);
  test_cancel(p);
  test_chain(p);
  test_many(p);
  test_fd_alone(p);
  mplua_pool_free(p);
  remove_module(directory);
}

/* Bytes of the arena in use, when what the dead have left is swept. */
static long arena_bytes(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  mplua_openlibs(L);
  long bytes = -1;
  if (luaL_loadstring(L, "local arena = require 'multiprocessing.core.arena'\n"
                         "arena.sweep()\n"
                         "assert(arena.check())\n"
                         "local s = arena.stats()\n"
                         "return s.range > 0 and s.used or -1") == LUA_OK &&
      lua_pcall(L, 0, 1, 0) == LUA_OK)
    bytes = (long)lua_tointeger(L, -1);
  lua_close(L);
  return bytes;
}

int main(int argc, char **argv) {
  mplua_child_entry(argc, argv);
  static char before[8192], after[8192];
  signals_text(before, sizeof before);
  test_little_memory();
  test_free(); /* what is made once and kept is made here */
  int fds = count_fds();
  long bytes = arena_bytes();
  test_all("forkserver");
  test_all("fork");
  test_close();
  test_terminate();
  test_free();
  test_free_in_callback();
  test_failures();
  signal(SIGCHLD, SIG_IGN);
  test_all("spawn");
  signal(SIGCHLD, SIG_DFL);
  test_few_descriptors();
  test_threads();
  signals_text(after, sizeof after);
  check(strcmp(before, after) == 0, "signals are left alone");
  check(count_fds() == fds, "no descriptor is left");
  check(first_child() == 0, "no child is left");
  long left = arena_bytes() - bytes;
  if (bytes < 0 || left > 0)
    printf("%ld bytes, of %ld\n", left, bytes);
  check(bytes >= 0 && left <= 0, "no shared memory is left");
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
