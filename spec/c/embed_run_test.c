/*
** embed_run_test.c: lists of values, and scripts in isolated processes
** MIT licence, see LICENSE
*/

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "embed_helper.h"

#include "lauxlib.h"
#include "lua.h"

#include "embed/values.h"

/* --- values --------------------------------------------------------------- */

static void test_numbers_and_strings(mplua_values *v) {
  int64_t n = 0;
  double x = 0;
  int b = 0;
  const char *s = NULL;
  size_t size = 0;
  mplua_push_integer(v, INT64_MIN);
  mplua_push_number(v, 0.5);
  mplua_push_bytes(v, "a\0b", 3);
  mplua_push_boolean(v, 7);
  mplua_push_nil(v);
  check(mplua_count(v) == 5, "five values");
  check(mplua_get_integer(v, 1, &n) == 0 && n == INT64_MIN, "an integer");
  check(mplua_get_number(v, 2, &x) == 0 && x == 0.5, "a number");
  check(mplua_get_string(v, 3, &s, &size) == 0 && size == 3 &&
            memcmp(s, "a\0b", 4) == 0, "bytes, and a NUL behind them");
  check(mplua_get_boolean(v, -2, &b) == 0 && b == 1, "a boolean");
  check(mplua_type(v, 5) == MPLUA_TNIL && mplua_type(v, 6) == MPLUA_TNONE &&
            mplua_type(v, -6) == MPLUA_TNONE && mplua_type(v, 0) == MPLUA_TNONE,
        "nil, and beyond the ends");
  n = 5;
  check(mplua_get_integer(v, 2, &n) == MPLUA_ETYPE && n == 5 &&
            mplua_get_integer(v, 3, &n) == MPLUA_ETYPE &&
            mplua_get_string(v, 1, &s, NULL) == MPLUA_ETYPE &&
            mplua_get_boolean(v, 99, &b) == MPLUA_ETYPE, "other types");
  check(mplua_pop(v, 6) == MPLUA_ETYPE && mplua_pop(v, 5) == 0 &&
            mplua_count(v) == 0, "pop");
}

static void test_tables(mplua_values *v) {
  int64_t n = 0;
  check(mplua_append(v) == MPLUA_ETYPE, "append to nothing");
  mplua_push_table(v);
  check(mplua_append(v) == MPLUA_ETYPE, "append nothing");
  for (int i = 1; i <= 3; i++) {
    mplua_push_integer(v, i * 10);
    mplua_append(v);
  }
  mplua_push_table(v);
  mplua_push_string(v, "deep");
  check(mplua_set_field(v, "x") == 0 && mplua_set_field(v, "inner") == 0 &&
            mplua_count(v) == 1, "nested tables");
  check(mplua_get_length(v, 1) == 3, "length");
  check(mplua_get_item(v, 1, 2) == 0 && mplua_get_integer(v, -1, &n) == 0 &&
            n == 20, "item");
  const char *s = "";
  check(mplua_get_field(v, 1, "inner") == 0 &&
            mplua_get_field(v, -1, "x") == 0 &&
            mplua_get_string(v, -1, &s, NULL) == 0 && strcmp(s, "deep") == 0,
        "field of a field");
  check(mplua_get_field(v, -1, "x") == MPLUA_ETYPE &&
            mplua_get_length(v, 9) == MPLUA_ETYPE, "fields of no table");
  mplua_values_clear(v);
  mplua_push_integer(v, 1);
  mplua_push_integer(v, 2);
  check(mplua_set_field(v, "a") == MPLUA_ETYPE, "set a field of a number");
}

/* Memory that ends anywhere: a code, and the list lives. */
static void test_little_memory(void) {
  int failures = 0, successes = 0;
  for (size_t most = 1000; most < 30000; most += 97) {
    mplua_values *v = mp_values_limited(most);
    if (v == NULL)
      continue;
    int rc = 0;
    for (int i = 0; i < 50 && rc == 0; i++) {
      rc = mplua_push_table(v);
      if (rc == 0)
        rc = mplua_push_bytes(v, "0123456789012345678901234567890123456789012", 43);
      if (rc == 0)
        rc = mplua_set_field(v, "a field with some name");
    }
    failures += rc == -ENOMEM;
    successes += rc == 0;
    check(rc == 0 || rc == -ENOMEM, "a code");
    struct mp_buf b;
    mp_buf_init(&b);
    rc = mp_values_encode(v, &b, NULL);
    if (rc == 0)
      rc = mp_values_decode(v, b.data, b.len);
    check(rc >= 0 || rc == -ENOMEM || rc == MPLUA_ECORRUPT, "a code");
    mp_buf_fini(&b);
    mplua_values_clear(v);
    check(mplua_push_integer(v, 1) == 0 && mplua_count(v) == 1, "it lives");
    mplua_values_free(v);
  }
  check(failures > 50 && successes > 10, "some of each");
}

static void test_copies(mplua_values *v) {
  struct mplua_error e;
  lua_State *L = luaL_newstate();
  mplua_values_clear(v);
  lua_pushliteral(L, "x");
  lua_pushinteger(L, 1);
  lua_newtable(L);
  check(mplua_values_copy(v, L, 2, 2, &e) == 0 && mplua_count(v) == 2 &&
            mplua_type(v, 2) == MPLUA_TTABLE && lua_gettop(L) == 3,
        "values of a state");
  lua_settop(L, 0);
  lua_pushcfunction(L, luaopen_multiprocessing);
  int rc = mplua_values_copy(v, L, 1, 1, &e);
  check(rc == MPLUA_ELUA && strstr(e.message, "function") != NULL && lua_gettop(L) == 1,
        "a function is no data");

  lua_close(L);
}

/* --- runs ----------------------------------------------------------------- */

/* Starts with these options, waits for the end. */
static mplua_run *finish(const char *source, const mplua_run_options *o) {
  struct mplua_error e;
  mplua_run *r = NULL;
  if (mplua_run_start(&r, source, strlen(source), NULL, o, &e) < 0) {
    printf("%s: %s\n", source, e.message);
    return NULL;
  }
  check(mplua_run_wait(r, 60) == 1, "it ends");
  return r;
}

/* Does the run end so, with a message that has `text` in it? */
static void expect(const char *source, const mplua_run_options *o,
                   enum mplua_outcome outcome, const char *text) {
  mplua_run *r = finish(source, o);
  const mplua_report *p = r != NULL ? mplua_run_report(r) : NULL;
  int ok = p != NULL && p->outcome == outcome && strstr(p->error, text) != NULL;
  if (!ok && p != NULL)
    printf("got %s (%d): %s\n", mplua_outcome_name(p->outcome), p->exit_status,
           p->error);
  check(ok, source);
  mplua_run_free(r);
}

/* Does it return these values, as one string? */
static void expect_value(const char *source, const mplua_run_options *o,
                         const char *wanted) {
  mplua_run *r = finish(source, o);
  const char *s = NULL;
  int rc = r != NULL ? mplua_get_string(mplua_run_results(r), 1, &s, NULL) : -1;
  if (rc < 0 || strcmp(s, wanted) != 0)
    printf("got %s; %s\n", rc < 0 ? "nothing" : s,
           r != NULL ? mplua_run_report(r)->error : "");
  check(rc == 0 && strcmp(s, wanted) == 0, source);
  mplua_run_free(r);
}

static mplua_run_options options(unsigned flags) {
  mplua_run_options o;
  mplua_run_options_init(&o);
  o.flags |= flags;
  o.wall_seconds = o.cpu_seconds = 30; /* the machine may be slow */
  return o;
}

static void test_returning(void) {
  static const char source[] = "local a, t = ...\n"
                               "print(a, #t, t.name)\n"
                               "return a * 2, t, nil";
  mplua_run_options o = options(0);
  mplua_run *r = NULL;
  mplua_values *args = mplua_values_new();
  int64_t n = 0;
  mplua_push_integer(args, 21);
  mplua_push_table(args);
  mplua_push_boolean(args, 1);
  mplua_append(args);
  mplua_push_string(args, "x");
  mplua_set_field(args, "name");
  check(mplua_run_start(&r, source, strlen(source), args, &o, NULL) == 0,
        "it starts");
  mplua_values_free(args);
  check(mplua_run_report(r) == NULL || mplua_run_wait(r, 0) == 1,
        "no report before the end");
  struct pollfd p = {.fd = mplua_run_fileno(r), .events = POLLIN};
  do
    check(poll(&p, 1, 30000) == 1, "its descriptor becomes readable");
  while (mplua_run_wait(r, 0) == 0);
  const mplua_report *report = mplua_run_report(r);
  mplua_values *v = mplua_run_results(r);
  check(report->outcome == MPLUA_RAN && report->exit_status == 0 &&
            report->error[0] == '\0', "it returned");
  check(mplua_count(v) == 3 && mplua_get_integer(v, 1, &n) == 0 && n == 42 &&
            mplua_get_length(v, 2) == 1, "results");
  check(report->output_size == 7 && strcmp(report->output, "21\t1\tx\n") == 0,
        "output");
  check(report->max_rss > 500000 && report->max_rss < INT64_C(1) << 40 &&
            report->wall_seconds > 0 && report->user_seconds >= 0,
        "what it took");
  mplua_run_free(r);
}

static void test_failing(void) {
  mplua_run_options o = options(0);
  o.chunkname = "@plugin.lua";
  expect("error 'boo'", &o, MPLUA_RAN_ERROR, "plugin.lua:1: boo");
  expect("this is no Lua", &o, MPLUA_RAN_ERROR, "syntax error");
  expect("\x1bLua", &o, MPLUA_RAN_ERROR, "attempt to load a binary chunk");
  expect("return print", &o, MPLUA_RAN_ERROR,
         "cannot serialize a function (only data may pass here) at results[1]");
  expect("error(setmetatable({}, { __tostring = function() error 'x' end }))",
         &o, MPLUA_RAN_ERROR, "");
  mplua_run *r = finish("local function f() error 'deep' end f()", &o);
  check(strstr(mplua_run_report(r)->traceback, "in local 'f'") != NULL ||
            strstr(mplua_run_report(r)->traceback, "in upvalue 'f'") != NULL,
        "traceback");
  check(mplua_run_results(r) != NULL, "a list all the same");
  mplua_run_free(r);
}

static void test_small_set(void) {
  mplua_run_options o = options(0);
  expect_value("local t = {}\n"
               "for k in pairs(_G) do t[#t + 1] = k end\n"
               "for k in pairs(os) do t[#t + 1] = 'os.' .. k end\n"
               "table.sort(t)\n"
               "return table.concat(t, ' ')", &o,
               "_G _VERSION assert collectgarbage coroutine error getmetatable "
               "ipairs load math next os os.clock os.date os.difftime os.time "
               "pairs pcall print rawequal rawget rawlen rawset select "
               "setmetatable string table tonumber tostring type utf8 warn "
               "xpcall");
  expect_value("return tostring(string.dump) .. tostring((load('\\27Lua')))"
               " .. tostring((load('\\27Lua', 'x', 'b')))"
               " .. load('return a', 'x', 't', { a = 'b' })()", &o,
               "nilnilnilb");
}

/* Lua files are found where the host says, and nothing else is. */
static void test_modules(void) {
  char directory[] = "/tmp/mplua-test-XXXXXX", path[64];
  mplua_run_options o = options(MPLUA_RUN_OPEN);
  check(mkdtemp(directory) != NULL, "a directory");
  snprintf(path, sizeof path, "%s/own.lua", directory);
  FILE *f = fopen(path, "w");
  fputs("return { name = ..., has = tostring(package) .. tostring(io) }", f);
  fclose(f);
  expect("return require 'own'", &o, MPLUA_RAN_ERROR, "global 'require'");
  snprintf(path, sizeof path, "%s/?.lua", directory);
  o.path = path;
  expect_value("local own = require 'own' return own.name .. own.has", &o,
               "ownnilnil");
  expect_value("return tostring(package) .. tostring(select(2, pcall(require, "
               "'cjson')):match 'module .cjson. not found') .. type(crash)",
               &o, "nilmodule 'cjson' not foundfunction");
  snprintf(path, sizeof path, "%s/own.lua", directory);
  remove(path);
  rmdir(directory);
}

static void test_limits(void) {
  mplua_run_options o = options(0);
  o.lua_memory = 4 << 20;
  expect("local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(99) .. i end", &o,
         MPLUA_RAN_MEMORY, "not enough memory");
  expect_value("return select(2, pcall(string.rep, 'x', 1e8))", &o,
               "not enough memory");
  o = options(0);
  o.cpu_seconds = 0.1;
  expect("while true do end", &o, MPLUA_RAN_CPU, "0.1 s of CPU time");
  expect("while true do pcall(error) end", &o, MPLUA_RAN_CPU, "CPU");
  expect("return ('a'):rep(32):find(('a?'):rep(32) .. ('a'):rep(32))", &o,
         MPLUA_RAN_CPU, "CPU");
  o = options(MPLUA_RUN_ALL_LIBRARIES);
  o.wall_seconds = 0.2;
  expect("os.execute 'sleep 300'", &o, MPLUA_RAN_TIMEOUT, "longer than 0.2 s");
  expect("os.execute 'kill -STOP $PPID'", &o, MPLUA_RAN_TIMEOUT, "0.2 s");
  o = options(MPLUA_RUN_ALL_LIBRARIES);
  o.fds = 8;
  expect_value("local t = {}\n"
               "for i = 1, 20 do t[i] = io.open '/dev/null' end\n"
               "return tostring(#t)", &o, "4");
  o.file_size = 1000;
  expect_value("local name = os.tmpname()\n"
               "local f = io.open(name, 'w')\n"
               "f:setvbuf 'no'\n"
               "local ok, why = f:write(('x'):rep(2000))\n"
               "os.remove(name)\n"
               "return why", &o, "File too large");
}

static void test_floods(void) {
  mplua_run_options o = options(0);
  o.output_limit = 100000;
  mplua_run *r = finish("while true do print(('x'):rep(999)) end", &o);
  const mplua_report *p = mplua_run_report(r);
  check(p->outcome == MPLUA_RAN_FLOOD && p->output_size == 100000,
        "it is killed, its first bytes are kept");
  mplua_run_free(r);
  o = options(0);
  o.result_limit = 1000;
  expect("return ('x'):rep(2000)", &o, MPLUA_RAN_FLOOD, "results");
  expect("return ('x'):rep(900)", &o, MPLUA_RAN, "");
  o = options(MPLUA_RUN_DROP_OUTPUT);
  r = finish("for i = 1, 100000 do print(i) end return 1", &o);
  check(mplua_run_report(r)->outcome == MPLUA_RAN &&
            mplua_run_report(r)->output_size == 0, "dropped output");
  mplua_run_free(r);
}

static void test_ends(void) {
  mplua_run_options o = options(MPLUA_RUN_ALL_LIBRARIES | MPLUA_RUN_OPEN);
  expect("os.exit(3)", &o, MPLUA_RAN_EXIT, "exit status 3");
  expect("os.exit(0)", &o, MPLUA_RAN_EXIT, "exit status 0");
  expect("io.write 'half' crash()", &o, MPLUA_RAN_SIGNAL, "signal 11");
  expect("os.execute 'kill -9 $PPID' return 1", &o, MPLUA_RAN_SIGNAL,
         "signal 9");
  expect("os.execute 'kill -9 0' return 1", &o, MPLUA_RAN_SIGNAL, "signal 9");
  expect("scribble 'no message of anybody at all'", &o, MPLUA_RAN_FLOOD, "");
  expect("scribble '\\3\\0\\0\\0\\0\\0\\0\\0\\0zz'", &o, MPLUA_RAN_LIE,
         "no message");
  expect("scribble '\\3\\0\\0\\0\\0\\0\\0\\0\\9zz'", &o, MPLUA_RAN_LIE,
         "no message");
  expect("scribble '\\3\\0\\0\\0'", &o, MPLUA_RAN_LIE, "part of a message");
  expect("scribble '\\9\\0\\0\\0\\0\\0\\0\\0\\0\\183\\1\\0\\0\\1\\0\\0\\0'", &o,
         MPLUA_RAN_LIE, "no message");
}

static void test_surroundings(void) {
  static const char *const environment[] = {"GREETING=hello", NULL};
  mplua_run_options o = options(MPLUA_RUN_ALL_LIBRARIES);
  setenv("MPLUA_TEST_SECRET", "do not tell", 1);
  o.directory = "/";
  o.environment = environment;
  expect_value("return tostring(os.getenv 'HOME') .. os.getenv 'GREETING' .. "
               "tostring(io.open('/proc/self/environ'):read('a'):match 'tell')"
               " .. io.popen('pwd'):read()", &o, "nilhellonil/");
  expect_value("local fds = {}\n"
               "for n = 3, 40 do\n"
               "  local f = io.open('/proc/self/fdinfo/' .. n)\n"
               "  if f then fds[#fds + 1] = n f:close() end\n"
               "end\n"
               "return table.concat(fds, ' ')", &o, "4");
  o.directory = "/nowhere";
  expect("return 1", &o, MPLUA_RAN_NOT, "No such file");
  o = options(MPLUA_RUN_ALL_LIBRARIES);
  o.file_size = 0;
  expect_value("local mp = require 'multiprocessing'\n"
               "local pool <close> = mp.Pool(2)\n"
               "return table.concat(pool:map(function(x) return x * x end, "
               "{ 1, 2, 3 }), ' ')", &o, "1 4 9");
}

/* A sanitizer makes system calls of its own, so that there these fail. */
#ifdef __SANITIZE_ADDRESS__
static void test_seccomp(void) {}
#else
static void test_seccomp(void) {
  static const char *const unknown[] = {"no_such_call", NULL};
  static const char *const files[] = {"openat", "fcntl", "ioctl", NULL};
  mplua_run_options o = options(MPLUA_RUN_ALL_LIBRARIES | MPLUA_RUN_SECCOMP);
  expect("return io.open '/etc/passwd'", &o, MPLUA_RAN_FORBIDDEN,
         "system call");
  expect("return os.execute 'true'", &o, MPLUA_RAN_FORBIDDEN, "system call");
  expect("local t = {} for i = 1, 1e5 do t[i] = { i } end print(#t)\n"
         "error(os.date '%Y' .. math.random())", &o, MPLUA_RAN_ERROR, "20");
  o.syscalls = files;
  expect_value("return io.open('/etc/passwd'):read(4)", &o, "root");
  o.syscalls = unknown;
  expect("return 1", &o, MPLUA_RAN_NOT, "no_such_call");
}
#endif

/* --- killing -------------------------------------------------------------- */

static mplua_run *start(const char *source, const mplua_run_options *o) {
  mplua_run *r = NULL;
  check(mplua_run_start(&r, source, strlen(source), NULL, o, NULL) == 0,
        "it starts");
  return r;
}

/* The two pids that a script has written. */
static void read_pids(const char *path, long pids[2]) {
  pids[0] = pids[1] = 0;
  for (int i = 0; i < 5000 && pids[1] == 0; i++) {
    FILE *f = fopen(path, "r");
    if (f != NULL && fscanf(f, "%ld %ld", &pids[0], &pids[1]) != 2)
      pids[1] = 0;
    if (f != NULL)
      fclose(f);
    if (pids[1] == 0)
      nap();
  }
}

/* Starts the script that starts others, in a directory of its own. */
static mplua_run *start_family(char *path, long pids[2]) {
  char source[512];
  mplua_run_options o = options(MPLUA_RUN_ALL_LIBRARIES);
  strcpy(path, "/tmp/mplua-test-XXXXXX");
  int fd = mkstemp(path);
  check(fd >= 0 && close(fd) == 0, "a temporary file");
  snprintf(source, sizeof source,
           "os.execute '(sleep 300 & echo $!; setsid sleep 300 & echo $!) >%s "
           "; exec sleep 300'", path);
  mplua_run *r = start(source, &o);
  read_pids(path, pids);
  check(pids[0] > 0 && pids[1] > 0, "it has children");
  return r;
}

static void test_kill(void) {
  char path[32];
  long pids[2];
  mplua_run *r = start_family(path, pids);
  check(mplua_run_wait(r, 0) == 0, "it runs");
  check(mplua_run_kill(r) == 0 && mplua_run_wait(r, 60) == 1 &&
            mplua_run_report(r)->outcome == MPLUA_RAN_CANCELLED, "killed");
  check(is_gone(pids[0]) && is_gone(pids[1]), "with all it has started");
  check(mplua_run_kill(r) == 0, "once more is nothing");
  mplua_run_free(r);
  remove(path);
  r = start_family(path, pids);
  mplua_run_free(r);
  check(is_gone(pids[0]) && is_gone(pids[1]), "free kills");
  remove(path);
}

/* Somebody kills the process that watches. */
static void test_lost(void) {
  mplua_run_options o = options(0);
  mplua_run *r = start("while true do end", &o);
  kill((pid_t)first_child(), SIGKILL);
  check(mplua_run_wait(r, 60) == 1 &&
            mplua_run_report(r)->outcome == MPLUA_RAN_LOST, "lost");
  mplua_run_free(r);
}

/* One or the other is killed at any time: the host is told, and soon. */
static void test_storm(void) {
  static const char source[] = "local t = {}\n"
                               "for i = 1, 20000 do t[i % 100] = { i } end\n"
                               "print(('x'):rep(5000))\n"
                               "return ('y'):rep(5000), t";
  mplua_run_options o = options(0);
  unsigned seed = (unsigned)time(NULL);
  printf("seed %u\n", seed);
  srand(seed);
  for (int i = 0; i < 60; i++) {
    mplua_run *r = start(source, &o);
    struct timespec t = {0, rand() % 3000000};
    long watcher = first_child();
    nanosleep(&t, NULL);
    long victim = i % 2 ? watcher : child_of(watcher);
    if (victim > 0)
      kill((pid_t)victim, SIGKILL);
    check(mplua_run_wait(r, 60) == 1, "it ends");
    enum mplua_outcome outcome = mplua_run_report(r)->outcome;
    check(outcome == MPLUA_RAN || outcome == MPLUA_RAN_SIGNAL ||
              outcome == MPLUA_RAN_LOST, "killed, or it was done before");
    check(outcome != MPLUA_RAN || mplua_count(mplua_run_results(r)) == 2,
          "all or nothing");
    mplua_run_free(r);
  }
}

/* A host that dies takes its runs with it. */
static void test_death_of_host(void) {
  int end[2];
  char path[32];
  long pids[2] = {0, 0};
  check(pipe(end) == 0, "pipe");
  pid_t pid = fork();
  if (pid == 0) {
    start_family(path, pids);
    check(write(end[1], pids, sizeof pids) == sizeof pids, "write");
    remove(path);
    kill(getpid(), SIGKILL);
  }
  check(read(end[0], pids, sizeof pids) == sizeof pids, "pids");
  waitpid(pid, NULL, 0);
  check(is_gone(pids[0]) && is_gone(pids[1]), "gone with the host");
  close(end[0]);
  close(end[1]);
}

/* --- hosts of all kinds --------------------------------------------------- */

/* A forked child's copy of a run is not the run. */
static void test_free_in_child(void) {
  mplua_run_options o = options(MPLUA_RUN_ALL_LIBRARIES);
  mplua_run *r = start("return #io.popen('sleep 0.2; echo done'):read()", &o);
  int status = -1;
  pid_t pid = fork();
  if (pid == 0) {
    mplua_run_free(r);
    _exit(0);
  }
  waitpid(pid, &status, 0);
  check(mplua_run_wait(r, 60) == 1 &&
            mplua_run_report(r)->outcome == MPLUA_RAN, "it ran on");
  mplua_run_free(r);
}

/* Standard output is the host's, or closed. */
static void test_host_output(void) {
  int old = dup(1), end[2];
  char text[20] = "";
  mplua_run_options o = options(MPLUA_RUN_SHOW_OUTPUT);
  check(pipe(end) == 0 && dup2(end[1], 1) == 1, "pipe");
  mplua_run *r = start("print 'shown'", &o);
  int rc = mplua_run_wait(r, 60);
  dup2(old, 1);
  check(rc == 1 && mplua_run_report(r)->output_size == 0 &&
            read(end[0], text, sizeof text - 1) == 6 &&
            strcmp(text, "shown\n") == 0, "the host's output");
  mplua_run_free(r);
  o = options(0);
  close(0);
  close(1);
  mplua_run_start(&r, "print 'x' return 1", 18, NULL, &o, NULL);
  rc = mplua_run_wait(r, 60);
  int copy = dup2(old, 1);
  check(copy == 1 && rc == 1 && mplua_run_report(r)->outcome == MPLUA_RAN &&
            mplua_run_report(r)->output_size == 2, "without any of its own");
  mplua_run_free(r);
  check(open("/dev/null", O_RDONLY) == 0, "standard input");
  close(old);
  close(end[0]);
  close(end[1]);
}

static void test_sigchld_ignored(void) {
  mplua_run_options o = options(MPLUA_RUN_ALL_LIBRARIES | MPLUA_RUN_OPEN);
  signal(SIGCHLD, SIG_IGN);
  expect("os.exit(7)", &o, MPLUA_RAN_EXIT, "exit status 7");
  expect("crash()", &o, MPLUA_RAN_SIGNAL, "signal 11");
  expect("return 1", &o, MPLUA_RAN, "");
  signal(SIGCHLD, SIG_DFL);
}

static void test_bad_programs(void) {
  mplua_run_options o = options(0);
  mplua_run *r = NULL;
  struct mplua_error e;
  o.executable = "/nowhere/at/all";
  check(mplua_run_start(&r, "", 0, NULL, &o, &e) == -ENOENT && r == NULL &&
            strstr(e.message, "/nowhere/at/all") != NULL, "no such program");
  o.executable = "/bin/true";
  int rc = mplua_run_start(&r, "", 0, NULL, &o, &e);
  check(rc == MPLUA_ENOTARGET ||
            (mplua_run_wait(r, 60) == 1 &&
             mplua_run_report(r)->outcome == MPLUA_RAN_LOST), "not a target");
  mplua_run_free(r);
}

/* The program beside this test's folder. */
static void test_other_program(void) {
  char path[4096];
  mplua_run_options o = options(0);
  ssize_t n = readlink("/proc/self/exe", path, sizeof path - 20);
  check(n > 0, "this program");
  path[n > 0 ? n : 0] = '\0';
  strcpy(strrchr(path, '/'), "/../mplua");
  o.executable = path;
  expect("return 1", &o, MPLUA_RAN, "");
}

static void test_few_descriptors(void) {
  struct rlimit old, few;
  mplua_run_options o = options(0);
  int codes = 0;
  getrlimit(RLIMIT_NOFILE, &old);
  for (rlim_t n = 4; n < 24; n++) {
    mplua_run *r = NULL;
    few = old;
    few.rlim_cur = n;
    setrlimit(RLIMIT_NOFILE, &few);
    int rc = mplua_run_start(&r, "return 1", 8, NULL, &o, NULL);
    codes += rc == -EMFILE;
    if (rc == 0)
      mplua_run_wait(r, 60);
    setrlimit(RLIMIT_NOFILE, &old);
    if (rc != 0 && rc != -EMFILE)
      printf("descriptors: %s\n", mplua_strerror(rc));
    check(rc == 0 || rc == -EMFILE, "started, or too many open files");
    mplua_run_free(r);
  }
  check(codes > 3, "there were too few");
}

/* In a process that is not root and may have no more than n.  0: a code of its
** own; 1: the watcher had it; 2: it ran; else what must not be. */
static int start_with(rlim_t n) {
  struct rlimit few = {n, n};
  mplua_run *r = NULL;
  mplua_run_options o = options(0);
  if (geteuid() == 0 && setuid(65534) != 0)
    return 10;
  prctl(PR_SET_DUMPABLE, 1); /* /proc/self/exe is ours again */
  setrlimit(RLIMIT_NPROC, &few);
  int rc = mplua_run_start(&r, "return 1", 8, NULL, &o, NULL);
  if (rc < 0)
    return rc == -EAGAIN ? 0 : 11;
  if (mplua_run_wait(r, 60) != 1)
    return 12;
  const mplua_report *p = mplua_run_report(r);
  if (p->outcome == MPLUA_RAN_NOT)
    return strstr(p->error, "Resource temporarily unavailable") ? 1 : 13;
  return p->outcome == MPLUA_RAN ? 2 : 14;
}

static void test_few_processes(void) {
  int counts[3] = {0};
  fflush(stdout);
  for (rlim_t n = 0; n < 4; n++) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
      _exit(start_with(n));
    waitpid(pid, &status, 0);
    check(WIFEXITED(status) && WEXITSTATUS(status) < 3, "a code, or a report");
    counts[WEXITSTATUS(status) % 3]++;
  }
  check(counts[0] > 0, "there were too few");
}

static void *run_some(void *arg) {
  mplua_run_options o = options(0);
  int *good = arg;
  for (int i = 0; i < 10; i++) {
    mplua_run *r = NULL;
    int64_t n = 0;
    static const char source[] = "return 6 * 7";
    if (mplua_run_start(&r, source, strlen(source), NULL, &o, NULL) == 0 &&
        mplua_run_wait(r, 60) == 1 &&
        mplua_get_integer(mplua_run_results(r), 1, &n) == 0)
      *good += n == 42;
    mplua_run_free(r);
  }
  return NULL;
}

static void test_threads(void) {
  enum { THREADS = 4 };
  pthread_t threads[THREADS];
  int good[THREADS] = {0};
  for (int i = 0; i < THREADS; i++)
    check(pthread_create(&threads[i], NULL, run_some, &good[i]) == 0, "thread");
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    check(good[i] == 10, "ten runs in each thread");
  }
}

/* --- what the test's own children have ------------------------------------- */

static int crash(lua_State *L) {
  (void)L;
  signal(SIGSEGV, SIG_DFL);
  raise(SIGSEGV);
  return 0;
}

/* Onto the descriptor of the results, and then a normal end. */
static int scribble(lua_State *L) {
  size_t n;
  const char *s = luaL_checklstring(L, 1, &n);
  _exit(write(4, s, n) == (ssize_t)n ? 0 : 1);
}

static int open_functions(lua_State *L) {
  lua_register(L, "crash", crash);
  lua_register(L, "scribble", scribble);
  return 0;
}

int main(int argc, char **argv) {
  mplua_child_entry_with(argc, argv, open_functions);
  mplua_values *v = mplua_values_new();
  test_numbers_and_strings(v);
  test_tables(v);
  test_copies(v);
  mplua_values_free(v);
  test_little_memory();
  int fds = count_fds();
  test_returning();
  test_failing();
  test_small_set();
  test_modules();
  test_limits();
  test_floods();
  test_ends();
  test_surroundings();
  test_seccomp();
  test_kill();
  test_lost();
  test_storm();
  test_death_of_host();
  test_free_in_child();
  test_host_output();
  test_sigchld_ignored();
  test_bad_programs();
  test_other_program();
  test_few_descriptors();
  test_few_processes();
  test_threads();
  check(count_fds() == fds, "no descriptor is left");
  check(first_child() == 0, "no child is left");
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
