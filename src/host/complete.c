/*
** complete.c: Tab at the prompt completes the names of globals and fields
** MIT licence, see LICENSE
**
** Looking must not change anything: fields are read raw, of metatables only
** an __index that is a table is followed; no code of the user's runs.
*/

#include "host/complete.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <readline/readline.h>

#include "lauxlib.h"

enum { DEPTH = 10 }; /* of __index chains; they may be rings */

static lua_State *state;
static int matches = LUA_NOREF; /* list in the registry */
static int next_match;

/* value -> the table where a field of it would be looked up next, or nil */
static void push_index(lua_State *L, int value) {
  if (!luaL_getmetafield(L, value, "__index"))
    lua_pushnil(L);
  else if (!lua_istable(L, -1)) {
    lua_pop(L, 1);
    lua_pushnil(L);
  }
}

/* stack: value, name -> field or nil */
static void read_field(lua_State *L) {
  int name = lua_gettop(L), value = name - 1;
  lua_pushvalue(L, value);
  for (int i = 0; i < DEPTH && !lua_isnil(L, -1); i++) {
    if (lua_istable(L, -1)) {
      lua_pushvalue(L, name);
      lua_rawget(L, -2);
      if (!lua_isnil(L, -1))
        break;
      lua_pop(L, 1);
    }
    push_index(L, lua_gettop(L));
  }
  lua_replace(L, value);
  lua_settop(L, value);
}

static int is_name(const char *s) {
  if (!isalpha((unsigned char)*s) && *s != '_')
    return 0;
  while (isalnum((unsigned char)*s) || *s == '_')
    s++;
  return *s == '\0';
}

/* Adds the keys of the table on top that begin with `start` to the list at
** stack[list], each with `path` in front. */
static void add_keys(lua_State *L, int list, const char *path,
                     const char *start) {
  size_t n = strlen(start);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING)
      continue;
    const char *key = lua_tostring(L, -2);
    if (strncmp(key, start, n) != 0 || !is_name(key))
      continue;
    lua_pushfstring(L, "%s%s", path, key);
    lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
  }
}

/* stack: value -> its fields are in the list at stack[list] */
static void add_fields(lua_State *L, int list, const char *path,
                       const char *start) {
  for (int i = 0; i < DEPTH && !lua_isnil(L, -1); i++) {
    if (lua_istable(L, -1))
      add_keys(L, list, path, start);
    push_index(L, lua_gettop(L));
    lua_remove(L, -2);
  }
}

/* (word "a.b.c") -> list of what it may become */
static int find_matches(lua_State *L) {
  const char *word = luaL_checkstring(L, 1), *part = word;
  lua_newtable(L);
  lua_pushglobaltable(L);
  for (;;) {
    size_t n = strcspn(part, ".:");
    if (part[n] == '\0')
      break;
    lua_pushlstring(L, part, n);
    read_field(L);
    part += n + 1;
  }
  lua_pushlstring(L, word, (size_t)(part - word));
  lua_insert(L, 3);
  add_fields(L, 2, lua_tostring(L, 3), part);
  lua_settop(L, 2);
  return 1;
}

static void look_up(const char *word) {
  luaL_unref(state, LUA_REGISTRYINDEX, matches);
  lua_pushcfunction(state, find_matches);
  lua_pushstring(state, word);
  if (lua_pcall(state, 1, 1, 0) != LUA_OK) {
    lua_pop(state, 1);
    lua_newtable(state);
  }
  matches = luaL_ref(state, LUA_REGISTRYINDEX);
  next_match = 1;
}

/* readline's generator: the next match, malloc'd, or NULL. */
static char *generate(const char *word, int going_on) {
  if (!going_on)
    look_up(word);
  lua_rawgeti(state, LUA_REGISTRYINDEX, matches);
  lua_rawgeti(state, -1, next_match++);
  const char *match = lua_tostring(state, -1);
  char *copy = match != NULL ? strdup(match) : NULL;
  lua_pop(state, 2);
  return copy;
}

static char **complete(const char *word, int start, int end) {
  (void)start;
  (void)end;
  rl_attempted_completion_over = 1; /* no file names */
  rl_completion_suppress_append = 1;
  return rl_completion_matches(word, generate);
}

/* At the beginning of a line Tab indents. */
static int tab(int count, int key) {
  if ((int)strspn(rl_line_buffer, " \t") >= rl_point)
    return rl_insert(count, key);
  return rl_complete(count, key);
}

void mp_complete_init(lua_State *L) {
  state = L;
  rl_attempted_completion_function = complete;
  rl_basic_word_break_characters = " \t\n\"'`=<>~+-*/%^#&|(){}[];,";
  rl_bind_key('\t', tab);
}
