/*
** names_find.c: looking up names; tables in globals
** MIT licence, see LICENSE
*/

#include "codec/names_index.h"

#include <string.h>

#include "lauxlib.h"

#include "codec/stdlib.h"

/* a global table with more entries is no namespace of classes */
enum { NAMESPACE = 256 };

/* --- looking up ----------------------------------------------------------- */

/* stack: object -> object, the path's keys.  Their number. */
static int push_path(lua_State *L, const struct mp_names *n, uint32_t i) {
  uint32_t path[MP_NAMES_DEEPEST + 1];
  int depth = 0;
  for (; i != 0 && depth <= MP_NAMES_DEEPEST; i = mp_names_entry(n, i)->up)
    path[depth++] = mp_names_entry(n, i)->key;
  mp_names_push(L);
  lua_getiuservalue(L, -1, MP_NAMES_KEYS);
  lua_replace(L, -2);
  for (int k = depth; k > 0; k--)
    lua_rawgeti(L, k - depth - 1, (lua_Integer)path[k - 1]);
  lua_remove(L, -depth - 1);
  return depth;
}

/* Follows the path on top of the stack through the table below it.
** stack: object, keys..., table -> object, keys... */
static int leads_there(lua_State *L, int depth) {
  int first = lua_gettop(L) - depth;
  for (int k = 0; k < depth; k++) {
    if (!lua_istable(L, -1)) {
      lua_pop(L, 1);
      return 0;
    }
    lua_pushvalue(L, first + k);
    lua_rawget(L, -2);
    lua_replace(L, -2);
  }
  int same = lua_rawequal(L, -1, first - 1);
  lua_pop(L, 1);
  return same;
}

/* The same through the standard library as it was.  No allocation: the index
** has made the table. */
static int is_original(lua_State *L, int module, int depth) {
  if (!module || depth != 2)
    return 0;
  mp_originals_push(L);
  return leads_there(L, depth);
}

static enum mp_name_kind find(lua_State *L, struct mp_names *n,
                              const struct mp_ptrmap *map, int *depth) {
  const void *p = lua_topointer(L, -1);
  uint64_t i;
  if (p == NULL)
    p = n;
  if (!mp_names_maybe(n, p) || !mp_ptrmap_get(map, p, &i) ||
      !lua_checkstack(L, MP_NAMES_DEEPEST + 8))
    return MP_NAME_NONE;
  *depth = push_path(L, n, (uint32_t)i);
  if (map == &n->globals)
    lua_pushglobaltable(L);
  else
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (leads_there(L, *depth) || is_original(L, map == &n->modules, *depth))
    return mp_names_entry(n, i)->kind;
  lua_pop(L, *depth);
  return MP_NAME_NONE;
}

enum mp_name_kind mp_names_module(lua_State *L, struct mp_names *n,
                                  int *depth) {
  return find(L, n, &n->modules, depth);
}

/* --- tables in globals ---------------------------------------------------- */

enum {
  SHALLOW = 2, /* keys in a path: the globals, and tables in them */
  DEEP = 6,
  DEEP_MOST = 4096, /* entries */
  SURE_AFTER = 64
};

/* stack: KEYS, ..., table, which is entry `up` or all globals */
static void scan(lua_State *L, struct mp_names *n, int keys, uint32_t up) {
  uint64_t known;
  int seen = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (up != 0 && ++seen > NAMESPACE) {
      lua_pop(L, 2);
      return;
    }
    if (lua_type(L, -2) != LUA_TSTRING || !lua_istable(L, -1) ||
        mp_ptrmap_get(&n->modules, lua_topointer(L, -1), &known))
      continue;
    lua_pushvalue(L, -2);
    mp_names_enter(L, n, &n->globals, keys, -2, up, MP_NAME_GLOBAL);
    lua_pop(L, 1);
  }
}

/* Pushes the table that is entry `i`.  By its path: a list of tables that wait
** for their turn could run the collector. */
static void push_entry(lua_State *L, const struct mp_names *n, uint32_t i) {
  int base = lua_gettop(L);
  lua_pushnil(L);
  int depth = push_path(L, n, i);
  lua_pushglobaltable(L);
  for (int k = 0; k < depth; k++) {
    lua_pushvalue(L, base + 2 + k);
    lua_rawget(L, -2);
    lua_replace(L, -2);
  }
  lua_replace(L, base + 1);
  lua_settop(L, base + 1);
}

static uint32_t end_of(const struct mp_names *n) {
  return (uint32_t)(n->entries.len / sizeof(struct mp_name));
}

/* Breadth first: the shortest path is an object's name. */
static void look_through_globals(lua_State *L, struct mp_names *n,
                                 int deepest) {
  luaL_checkstack(L, MP_NAMES_DEEPEST + 16, NULL);
  mp_ptrmap_clear(&n->globals);
  n->keys = n->module_keys;
  n->entries.len = n->module_entries;
  mp_names_push(L);
  lua_getiuservalue(L, -1, MP_NAMES_KEYS);
  int keys = lua_gettop(L);
  uint32_t first = end_of(n);
  lua_pushglobaltable(L);
  scan(L, n, keys, 0);
  for (uint32_t i = first; i < end_of(n) && i - first < DEEP_MOST; i++) {
    if (mp_names_entry(n, i)->depth >= deepest)
      break;
    push_entry(L, n, i);
    scan(L, n, keys, i);
    lua_settop(L, keys);
  }
  lua_settop(L, keys - 2);
}

/* A class in no global is asked for again with every message: most times the
** answer is remembered. */
static enum mp_name_kind find_deep(lua_State *L, struct mp_names *n,
                                   int *depth) {
  const void *p = lua_topointer(L, -1);
  const void **known = &n->homeless[mp_names_bit(p) % MP_NAMES_NAMELESS];
  if (*known == p && ++n->asked_deep % SURE_AFTER != 0)
    return MP_NAME_NONE;
  look_through_globals(L, n, DEEP);
  enum mp_name_kind kind = find(L, n, &n->globals, depth);
  *known = kind == MP_NAME_NONE ? p : NULL;
  return kind;
}

enum mp_name_kind mp_names_global(lua_State *L, struct mp_names *n,
                                  int *depth, uint8_t *looked, int deep) {
  enum mp_name_kind kind = find(L, n, &n->globals, depth);
  if (kind == MP_NAME_NONE && *looked < SHALLOW) {
    *looked = SHALLOW;
    look_through_globals(L, n, SHALLOW);
    kind = find(L, n, &n->globals, depth);
  }
  if (kind == MP_NAME_NONE && deep && *looked < DEEP) {
    *looked = DEEP;
    kind = find_deep(L, n, depth);
  }
  return kind;
}

/* stack: value of the global `name`, which the base library has, too */
static int is_standard_function(lua_State *L, const char *name) {
  int value = lua_gettop(L);
  mp_originals_push(L);
  lua_getfield(L, -1, mp_libraries[0].name);
  int known = lua_istable(L, -1) && lua_getfield(L, -1, name) != LUA_TNIL;
  int same = known ? lua_rawequal(L, -1, value)
                   : lua_iscfunction(L, value) ||
                         lua_type(L, value) == LUA_TSTRING;
  lua_settop(L, value);
  return same;
}

int mp_names_standard(lua_State *L, const char *name) {
  if (mp_library_has(&mp_libraries[0], name))
    return is_standard_function(L, name);
  if (!lua_istable(L, -1))
    return 0;
  for (const struct mp_library *lib = mp_libraries; lib->name; lib++)
    if (strcmp(lib->name, name) == 0) {
      lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
      lua_pushstring(L, name);
      lua_rawget(L, -2);
      int same = lua_rawequal(L, -1, -3);
      lua_pop(L, 2);
      return same;
    }
  return 0;
}
