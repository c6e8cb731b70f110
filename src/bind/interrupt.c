/*
** interrupt.c: Ctrl-C and Lua
** MIT licence, see LICENSE
*/

#include "bind/interrupt.h"

#include <signal.h>
#include <string.h>

#include "lauxlib.h"

#include "bind/core.h"

static lua_State *volatile armed; /* main thread of the state to interrupt */
static volatile sig_atomic_t seen;
static int sticky_mode;

enum { ANY_EVENT = LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT };

static void stop(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "interrupted!");
}

static void set_handler(void (*handler)(int)) {
  struct sigaction sa;
  memset(&sa, 0, sizeof sa);
  sa.sa_handler = handler;
  sigemptyset(&sa.sa_mask);
  sigaction(SIGINT, &sa, NULL); /* no SA_RESTART: calls must return */
}

/* lua_sethook is the one API call that a handler may make. */
static void on_interrupt(int sig) {
  lua_State *L = armed;
  (void)sig;
  if (!sticky_mode)
    set_handler(SIG_DFL); /* a second Ctrl-C kills */
  seen = 1;
  if (L != NULL)
    lua_sethook(L, stop, ANY_EVENT, 1);
}

/* The thread that the handler gives the hook to.  In a forked child it is the
** one that the child began on; in a stock lua5.4, the main thread. */
static lua_State *main_thread(lua_State *L) {
  if (armed != NULL &&
      lua_topointer(armed, LUA_REGISTRYINDEX) ==
          lua_topointer(L, LUA_REGISTRYINDEX))
    return armed;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  lua_State *main = lua_tothread(L, -1);
  lua_pop(L, 1);
  return main;
}

void mp_interrupt_arm(lua_State *L, int sticky) {
  armed = L;
  seen = 0;
  sticky_mode = sticky;
  set_handler(on_interrupt);
}

void mp_interrupt_disarm(void) {
  set_handler(SIG_DFL);
  armed = NULL;
}

void mp_interrupt_ignore(void) {
  set_handler(SIG_IGN);
  armed = NULL;
}

int mp_interrupt_seen(void) {
  return seen;
}

static int is_interrupt(lua_State *main) {
  return lua_gethook(main) != NULL && lua_gethookmask(main) == ANY_EVENT &&
         lua_gethookcount(main) == 1;
}

int mp_interrupt_is_pending(lua_State *L) {
  return is_interrupt(main_thread(L));
}

static int nothing(lua_State *L) {
  (void)L;
  return 0;
}

/*
** In the thread that has the hook, any call runs it.  In a coroutine it would
** run only after the coroutine has ended, so the hook is taken over here: ours,
** or that of the standalone interpreter, which has a count of 1 and all masks.
*/
int mp_interrupt_check(lua_State *L) {
  lua_State *main = main_thread(L);
  if (lua_gethook(main) == NULL)
    return 1;
  if (L != main && is_interrupt(main)) {
    lua_sethook(main, NULL, 0, 0);
    return luaL_error(L, "interrupted!");
  }
  lua_pushcfunction(L, nothing);
  lua_call(L, 0, 0);
  return 1;
}
