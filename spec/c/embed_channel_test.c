/*
** embed_channel_test.c: a host's sockets and userdata in Lua's hands
** MIT licence, see LICENSE
*/

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "embed_helper.h"

#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

/* --- a type of the host's ------------------------------------------------- */

struct point {
  double x, y;
};

static int new_point(lua_State *L) {
  double x = luaL_checknumber(L, 1), y = luaL_checknumber(L, 2);
  struct point *p = lua_newuserdatauv(L, sizeof *p, 0);
  *p = (struct point){x, y};
  luaL_setmetatable(L, "test.point");
  return 1;
}

static int reduce_point(lua_State *L) {
  const struct point *p = luaL_checkudata(L, 1, "test.point");
  lua_pushnumber(L, p->x);
  lua_pushnumber(L, p->y);
  return 2;
}

static int point_sum(lua_State *L) {
  const struct point *p = luaL_checkudata(L, 1, "test.point");
  lua_pushnumber(L, p->x + p->y);
  return 1;
}

static int open_functions(lua_State *L) {
  static const luaL_Reg functions[] = {{"new", new_point}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}

/* C functions travel by the name of their module, as those of all modules. */
static int open_point(lua_State *L) {
  struct mplua_error e;
  if (mplua_register_type(L, "test.point", reduce_point, new_point, &e) < 0)
    return luaL_error(L, "%s", e.message);
  luaL_getmetatable(L, "test.point");
  lua_pushcfunction(L, point_sum);
  lua_setfield(L, -2, "__len");
  luaL_requiref(L, "point", open_functions, 1);
  return 0;
}

/* --- states --------------------------------------------------------------- */

static lua_State *new_state(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  mplua_openlibs(L);
  return L;
}

/* Runs a chunk; its first result as a string must have `wanted` in it. */
static void expect(lua_State *L, const char *chunk, const char *wanted) {
  int top = lua_gettop(L);
  if (luaL_loadstring(L, chunk) == LUA_OK)
    lua_pcall(L, 0, 1, 0);
  const char *got = luaL_tolstring(L, -1, NULL);
  if (strstr(got, wanted) == NULL)
    printf("got: %s\n", got);
  check(strstr(got, wanted) != NULL, chunk);
  lua_settop(L, top);
}

static void test_types(void) {
  lua_State *L = new_state();
  check(lua_gettop(L) == 0, "an empty stack");
  lua_pushcfunction(L, open_point);
  check(lua_pcall(L, 0, 0, 0) == LUA_OK, "registered");
  expect(L, "mp = require 'multiprocessing'\n"
            "local q = mp.Queue()\n"
            "local p = point.new(1, 2)\n"
            "q:put{ p, p, other = point.new(3, 4) }\n"
            "local t = q:get()\n"
            "return #t[1] .. #t.other .. tostring(t[1] == t[2])",
         "3.07.0true");
  expect(L, "local list = {}\n"
            "for i, m in ipairs(mp.get_all_start_methods()) do\n"
            "  local q = mp.Queue()\n"
            "  local p = mp.get_context(m).Process{ args = { point.new(i, 1) },\n"
            "    target = function(p) q:put{ #p, point.new(p and 10, i) } end }\n"
            "  p:start() p:join()\n"
            "  local t = q:get(true, 10)\n"
            "  list[i] = t[1] + #t[2]\n"
            "end\n"
            "return table.concat(list, ' ')", "13.0 15.0 17.0");
  lua_State *other = new_state();
  expect(other, "return point", "nil");
  luaL_loadstring(L, "return mp.dumps(point.new(1, 2))");
  lua_pcall(L, 0, 1, 0);
  lua_pushstring(other, "");
  lua_pop(other, 1);
  size_t n = 0;
  const char *message = lua_tolstring(L, -1, &n);
  lua_pushlstring(other, message, n);
  lua_setglobal(other, "message");
  expect(other, "return select(2, pcall(require 'multiprocessing'.loads, "
                "message))", "type 'test.point' is not registered");
  lua_close(other);
  lua_close(L);
}

static void take_sum(void *data, const mplua_result *r) {
  double *sum = data;
  if (r->code < 0)
    printf("%s\n", r->error);
  mplua_get_number(r->values, 1, sum);
}

/* The pool's own state knows the type by `open`, the workers by main's. */
static void test_types_in_pools(void) {
  mplua_pool *p = NULL;
  mplua_pool_options o;
  double sum = 0;
  mplua_task t = {.callback = take_sum, .data = &sum};
  mplua_pool_options_init(&o);
  o.processes = 1;
  o.open = open_point;
  check(mplua_pool_new(&p, &o, NULL) == 0, "a pool");
  lua_State *L = new_state();
  lua_pushcfunction(L, open_point);
  lua_call(L, 0, 0);
  luaL_loadstring(L, "local p = ... return #p");
  lua_pushcfunction(L, new_point);
  lua_pushnumber(L, 20);
  lua_pushnumber(L, 22);
  lua_call(L, 2, 1);
  check(mplua_pool_submit_stack(p, L, 1, &t, NULL) > 0, "submitted");
  while (mplua_pool_pending(p) > 0)
    mplua_pool_poll(p, 10);
  check(sum == 42, "a point in a worker");
  mplua_pool_free(p);
  lua_close(L);
}

/* --- sockets -------------------------------------------------------------- */

/* Lua has one end in the global `conn`, the channel is the other. */
static mplua_channel *join_ends(lua_State *L, unsigned flags) {
  int pair[2];
  struct mplua_error e;
  mplua_channel *c = NULL;
  check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
  check(mplua_push_connection(L, pair[0], flags, &e) == 0, "a connection");
  lua_setglobal(L, "conn");
  if (flags & MPLUA_CONNECTION_COPY)
    close(pair[0]);
  check(mplua_channel_open(&c, pair[1]) == 0, "a channel");
  check(mplua_channel_fileno(c) == pair[1], "its descriptor");
  return c;
}

static void test_values(void) {
  lua_State *L = new_state();
  mplua_channel *c = join_ends(L, 0);
  mplua_values *v = mplua_values_new();
  const char *s = "";
  int64_t n = 0;
  size_t size = 0;
  check(mplua_channel_recv(c, v, 0) == -ETIMEDOUT, "nothing yet");
  expect(L, "conn:send{ 1, 2, name = 'x' } conn:send(nil) return 'sent'",
         "sent");
  check(mplua_channel_recv(c, v, 10) == 0 && mplua_get_length(v, 1) == 2,
        "a table");
  check(mplua_channel_recv(c, v, 10) == 0 && mplua_type(v, 2) == MPLUA_TNIL,
        "nil");
  expect(L, "conn:send_bytes 'a\\0b' return 1", "1");
  check(mplua_channel_recv_bytes(c, v, 10) == 0 &&
            mplua_get_string(v, -1, &s, &size) == 0 && size == 3 &&
            memcmp(s, "a\0b", 3) == 0, "bytes");
  mplua_push_integer(v, 77);
  check(mplua_channel_send(c, v, -1, 10) == 0, "send");
  check(mplua_channel_send(c, v, 9, 10) == MPLUA_ETYPE, "no such value");
  expect(L, "mp = require 'multiprocessing'\n"
            "return #mp.wait({ conn }, 10) .. tostring(conn:poll()) .. "
            "conn:recv()", "1true77");
  check(mplua_channel_send_bytes(c, "raw", 3, 10) == 0, "send bytes");
  expect(L, "return conn:recv_bytes()", "raw");
  mplua_values_clear(v);
  expect(L, "conn:close() return tostring(conn.closed)", "true");
  check(mplua_channel_recv(c, v, 10) == MPLUA_EEOF, "the end");
  check(mplua_get_integer(v, 1, &n) == MPLUA_ETYPE, "and no value");
  check(mplua_channel_send_bytes(c, "x", 1, 10) == MPLUA_EEOF,
        "nobody reads, and no SIGPIPE");
  mplua_values_free(v);
  mplua_channel_free(c);
  lua_close(L);
}

static void test_what_passes(void) {
  lua_State *L = new_state();
  mplua_channel *c = join_ends(L, 0);
  mplua_values *v = mplua_values_new();
  expect(L, "return select(2, pcall(conn.send, conn, function() end))",
         "only data may pass");
  mplua_channel_free(c);
  expect(L, "return select(2, pcall(conn.recv, conn))", "EOFError");
  c = join_ends(L, MPLUA_CONNECTION_CODE | MPLUA_CONNECTION_COPY);
  expect(L, "conn:send(function() end) return 1", "1");
  check(mplua_channel_recv(c, v, 10) == MPLUA_ECORRUPT &&
            mplua_count(v) == 0, "a channel takes no code");
  check(mplua_channel_send_bytes(c, "rubbish", 7, 10) == 0, "rubbish");
  expect(L, "return select(2, pcall(conn.recv, conn))", "SerializationError");
  mplua_channel_free(c);
  mplua_values_free(v);
  lua_close(L);
}

/* Nobody reads: a call gives up in time, what it has begun is not lost. */
static void test_timeouts(void) {
  enum { SIZE = 4 << 20 };
  lua_State *L = new_state();
  mplua_channel *c = join_ends(L, 0);
  char *much = calloc(SIZE, 1);
  check(mplua_channel_send_bytes(c, much, SIZE, 0.02) == 1, "not all has gone");
  check(mplua_channel_flush(c, 0.01) == -ETIMEDOUT, "still not");
  check(mplua_channel_send_bytes(c, much, 1, 0) == -ETIMEDOUT, "no room");
  mplua_channel_limit(c, 1000);
  pid_t pid = fork();
  if (pid == 0) { /* the C end goes on, in a process of its own */
    int rc = mplua_channel_flush(c, 30);
    _exit(rc == 0 && mplua_channel_send_bytes(c, much, 1001, 1) ==
                         MPLUA_ETOOLONG ? 0 : 1);
  }
  expect(L, "return #conn:recv_bytes()", "4194304");
  int status = -1;
  waitpid(pid, &status, 0);
  check(status == 0, "it has gone");
  expect(L, "conn:send_bytes(('x'):rep(1001)) return 1", "1");
  mplua_values *v = mplua_values_new();
  check(mplua_channel_recv_bytes(c, v, 10) == MPLUA_ETOOLONG, "too long");
  free(much);
  mplua_values_free(v);
  mplua_channel_free(c);
  lua_close(L);
}

/* A thread of the host's talks with a lua_State in another. */
static void *echo(void *arg) {
  mplua_channel *c = arg;
  mplua_values *v = mplua_values_new();
  while (mplua_channel_recv(c, v, -1) == 0) {
    mplua_channel_send(c, v, -1, -1);
    mplua_values_clear(v);
  }
  mplua_values_free(v);
  return NULL;
}

static void test_thread(void) {
  lua_State *L = new_state();
  mplua_channel *c = join_ends(L, 0);
  pthread_t thread;
  check(pthread_create(&thread, NULL, echo, c) == 0, "thread");
  expect(L, "local sum = 0\n"
            "for i = 1, 1000 do conn:send{ i } sum = sum + conn:recv()[1] end\n"
            "conn:close()\n"
            "return sum", "500500");
  pthread_join(thread, NULL);
  mplua_channel_free(c);
  lua_close(L);
}

static void test_misuse(void) {
  lua_State *L = new_state();
  struct mplua_error e;
  mplua_channel *c = NULL;
  int pair[2], fd = open("/dev/null", O_RDWR);
  check(mplua_push_connection(L, fd, 0, &e) == -ENOTSOCK && e.message[0] &&
            mplua_push_connection(L, -1, 0, &e) == -EBADF &&
            lua_gettop(L) == 0, "no socket");
  check(mplua_channel_open(&c, fd) == -ENOTSOCK && c == NULL, "likewise");
  check(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0 &&
            mplua_channel_open(&c, pair[0]) == -EPROTOTYPE, "no stream");
  close(pair[0]);
  close(pair[1]);
  close(fd);
  mplua_channel_free(NULL);
  lua_close(L);
}

static void test_executable(void) {
  lua_State *L = new_state();
  struct mplua_error e;
  check(mplua_set_executable(L, "/nowhere/at/all", &e) == 0 &&
            lua_gettop(L) == 0, "set");
  expect(L, "local mp = require 'multiprocessing'\n"
            "local p = mp.get_context 'spawn'.Process{ target = print }\n"
            "return select(2, pcall(p.start, p))", "/nowhere/at/all");
  check(mplua_set_executable(L, "/proc/self/exe", NULL) == 0, "set again");
  expect(L, "local mp = require 'multiprocessing'\n"
            "local p = mp.get_context 'spawn'.Process{ target = os.exit, "
            "args = { 4 } }\n"
            "p:start() p:join() return p.exitcode", "4");
  lua_close(L);
}

int main(int argc, char **argv) {
  mplua_child_entry_with(argc, argv, open_point);
  test_types(); /* what is made once and kept is made here */
  int fds = count_fds();
  test_types();
  test_types_in_pools();
  test_values();
  test_what_passes();
  test_timeouts();
  test_thread();
  test_misuse();
  test_executable();
  check(count_fds() == fds, "no descriptor is left");
  check(first_child() == 0, "no child is left");
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
