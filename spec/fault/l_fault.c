/*
** l_fault.c: orders for the failing calls, from Lua
** MIT licence, see LICENSE
**
**     local fault = require "fault"
**     fault.arm("memory", "owner", 17)     the 17th call of this process
**     local seen, failed, what = fault.disarm()
*/

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lauxlib.h"
#include "lua.h"

#include "fault.h"

static struct fault_control *control;
static lua_State *main_state;

static const char *const kinds[] = {"none", "memory", "system", "both", NULL};
static const char *const whose[] = {"all", "owner", "others", NULL};

/* In the midst of an allocation: nothing is pushed, nothing is made. */
static void show_lua(void) {
  lua_Debug ar;
  for (int level = 0; lua_getstack(main_state, level, &ar); level++)
    if (lua_getinfo(main_state, "Sl", &ar) && ar.currentline > 0)
      dprintf(2, "  %s:%d\n", ar.short_src, ar.currentline);
}

/* fault.make(path): the file that MPLUA_FAULT is to name */
static int make(lua_State *L) {
  int fd = open(luaL_checkstring(L, 1), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  int rc = fd < 0 ? -1 : ftruncate(fd, sizeof(struct fault_control));
  if (fd >= 0)
    close(fd);
  return luaL_fileresult(L, rc == 0, lua_tostring(L, 1));
}

/* fault.arm(kind, whose, first [, calls = 1 [, trace [, owner]]]): call
** `first` and those behind it fail; first 0: none, all are counted */
static int arm(lua_State *L) {
  if (control == NULL)
    return luaL_error(L, "MPLUA_FAULT names no file");
  uint64_t first = (uint64_t)luaL_checkinteger(L, 3);
  uint64_t calls = (uint64_t)luaL_optinteger(L, 4, 1);
  control->kinds = 0;
  control->who = (uint32_t)luaL_checkoption(L, 2, NULL, whose);
  control->owner = (int32_t)luaL_optinteger(L, 6, getpid());
  control->trace = (uint32_t)lua_toboolean(L, 5);
  control->first = first > 0 ? first : UINT64_MAX;
  control->last = first > 0 ? first + calls - 1 : UINT64_MAX;
  control->seen = control->failed = 0;
  control->what[0] = '\0';
  lua_settop(L, 1); /* nothing may be allocated between here and the return */
  control->kinds = (uint32_t)luaL_checkoption(L, 1, NULL, kinds);
  return 0;
}

/* fault.disarm() -> calls seen, calls failed, name of the last that did */
static int disarm(lua_State *L) {
  control->kinds = 0;
  lua_pushinteger(L, (lua_Integer)control->seen);
  lua_pushinteger(L, (lua_Integer)control->failed);
  lua_pushstring(L, control->what);
  return 3;
}

/* fault.order(path) -> first call that is to fail, the last that did */
static int order(lua_State *L) {
  struct fault_control c = {0};
  int fd = open(luaL_checkstring(L, 1), O_RDONLY | O_CLOEXEC);
  if (fd < 0 || read(fd, &c, sizeof c) != sizeof c)
    c.first = 0;
  if (fd >= 0)
    close(fd);
  lua_pushinteger(L, (lua_Integer)c.first);
  lua_pushstring(L, c.what);
  return 2;
}

static int blocks(lua_State *L) {
  lua_pushinteger(L, fault_live());
  return 1;
}

/* fault.descriptors() -> how many are open */
static int descriptors(lua_State *L) {
  lua_Integer n = 0;
  DIR *dir = opendir("/proc/self/fd");
  while (dir != NULL && readdir(dir) != NULL)
    n++;
  if (dir != NULL)
    closedir(dir);
  lua_pushinteger(L, n - 3); /* itself, "." and ".." */
  return 1;
}

/* fault.alarm(seconds): 0 calls it off.  SIGALRM kills. */
static int set_alarm(lua_State *L) {
  alarm((unsigned)luaL_checkinteger(L, 1));
  return 0;
}

/* fault.adopt(): orphans below this process become its children */
static int adopt(lua_State *L) {
  lua_pushboolean(L, prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
  return 1;
}

/* fault.reap() -> how many children are left; zombies are taken away */
static int reap(lua_State *L) {
  siginfo_t si = {0};
  while (waitpid(-1, NULL, WNOHANG) > 0)
    ;
  lua_pushboolean(L, waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0);
  return 1;
}

static const luaL_Reg functions[] = {
    {"make", make},         {"arm", arm},
    {"disarm", disarm},     {"order", order},
    {"blocks", blocks},     {"descriptors", descriptors},
    {"alarm", set_alarm},   {"adopt", adopt},
    {"reap", reap},         {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_fault(lua_State *L);

int luaopen_fault(lua_State *L) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  main_state = lua_tothread(L, -1);
  fault_show_lua = show_lua;
  control = fault_attach();
  luaL_newlib(L, functions);
  return 1;
}
