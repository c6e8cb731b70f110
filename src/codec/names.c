/*
** names.c: the index of what can be named: making it, keeping it up to date
** MIT licence, see LICENSE
**
** Made when it is first needed, and again when package.loaded has changed.
*/

#include "codec/names_index.h"

#include <stdlib.h>
#include <string.h>

#include "lauxlib.h"

#include "codec/fail.h"
#include "codec/stdlib.h"

static const char names_key = 0;
static const char words_key[MP_W_COUNT] = {0};

/* --- entries -------------------------------------------------------------- */

static uint32_t count(const struct mp_names *n) {
  return (uint32_t)(n->entries.len / sizeof(struct mp_name));
}

static void set_filter(struct mp_names *n, const void *p) {
  unsigned bit = mp_names_bit(p);
  n->head.filter[bit / 64] |= UINT64_C(1) << bit % 64;
}

/* stack: ..., key; `keys` is the index of KEYS */
static uint32_t new_entry(lua_State *L, struct mp_names *n, int keys,
                          uint32_t up, enum mp_name_kind kind) {
  struct mp_name e = {up, ++n->keys, 1, (uint8_t)kind};
  if (up != 0)
    e.depth = (uint8_t)(mp_names_entry(n, up)->depth + 1);
  lua_pushvalue(L, -1);
  lua_rawseti(L, keys, (lua_Integer)e.key);
  if (mp_buf_put(&n->entries, &e, sizeof e) < 0)
    mp_codec_no_memory(L);
  return count(n) - 1;
}

/* Enters the object at `index` with the key on top.  0: it is known. */
uint32_t mp_names_enter(lua_State *L, struct mp_names *n, struct mp_ptrmap *map,
                        int keys, int index, uint32_t up,
                        enum mp_name_kind kind) {
  uint64_t known;
  const void *p = lua_topointer(L, index);
  if (p == NULL)
    p = n; /* a light userdata may be NULL: cjson.null is */
  if (p == n->globals_table || p == n->loaded_table)
    return 0;
  int rc = mp_ptrmap_put(map, p, count(n), &known);
  if (rc < 0)
    mp_codec_no_memory(L);
  set_filter(n, p);
  return rc == 0 ? 0 : new_entry(L, n, keys, up, kind);
}

/* --- making the index ----------------------------------------------------- */

/* What a name can stand for.  A Lua function of the main script is not what
** a required module will have. */
static int can_have_name(lua_State *L, int index, const char *script) {
  lua_Debug ar;
  switch (lua_type(L, index)) {
  case LUA_TTABLE:
  case LUA_TUSERDATA:
  case LUA_TLIGHTUSERDATA:
    return 1;
  case LUA_TFUNCTION:
    if (lua_iscfunction(L, index) || script == NULL)
      return 1;
    lua_pushvalue(L, index);
    lua_getinfo(L, ">S", &ar);
    return ar.source[0] == '@' ? strcmp(ar.source + 1, script) != 0
                               : ar.source[0] != '=';
  default:
    return 0;
  }
}

/* stack: key, value.  Remembers a table, to look into it later. */
static void enqueue(lua_State *L, int queue, uint32_t entry) {
  if (!lua_istable(L, -1))
    return;
  lua_pushvalue(L, -1);
  lua_rawseti(L, queue, (lua_Integer)entry);
}

/* Pushes what has the library's name `field` and is the library's own: Lua's C
** function, though users may have put another there; else what is there.
** stack: originals, library table, ... */
static void push_own_field(lua_State *L, int table, const char *field) {
  if (lua_istable(L, table - 1)) {
    lua_pushstring(L, field);
    if (lua_rawget(L, table - 1) != LUA_TNIL)
      return;
    lua_pop(L, 1);
  }
  lua_pushstring(L, field);
  lua_rawget(L, table);
}

/* stack: originals, library table -> the same */
static void enter_library(lua_State *L, struct mp_names *n, int keys,
                          const struct mp_library *lib) {
  int table = lua_gettop(L);
  lua_pushstring(L, lib->name);
  uint32_t up = mp_names_enter(L, n, &n->modules, keys, -2, 0, MP_NAME_MODULE);
  if (up == 0)
    up = new_entry(L, n, keys, 0, MP_NAME_MODULE); /* _G */
  lua_pop(L, 1);
  for (const char *const *f = lib->fields; *f != NULL; f++) {
    push_own_field(L, table, *f);
    int type = lua_type(L, -1);
    lua_pushstring(L, *f);
    if (lua_iscfunction(L, -2) || type == LUA_TTABLE || type == LUA_TUSERDATA)
      mp_names_enter(L, n, &n->modules, keys, -2, up, MP_NAME_MODULE);
    lua_pop(L, 2);
  }
}

static void enter_libraries(lua_State *L, struct mp_names *n, int keys,
                            int loaded) {
  mp_originals_push(L);
  int originals = lua_gettop(L);
  for (const struct mp_library *lib = mp_libraries; lib->name; lib++) {
    lua_getfield(L, originals, lib->name);
    lua_pushstring(L, lib->name);
    if (lua_rawget(L, loaded) == LUA_TTABLE)
      enter_library(L, n, keys, lib);
    lua_pop(L, 2);
  }
  lua_pop(L, 1);
}

static void enter_modules(lua_State *L, struct mp_names *n, int keys,
                          int queue, int loaded, const char *script) {
  for (lua_pushnil(L); lua_next(L, loaded); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING || !can_have_name(L, -1, script))
      continue;
    lua_pushvalue(L, -2);
    uint32_t i =
        mp_names_enter(L, n, &n->modules, keys, -2, 0, MP_NAME_MODULE);
    lua_pop(L, 1);
    if (i != 0)
      enqueue(L, queue, i);
  }
}

/* stack: table, which is entry `up`.  A table deep inside with no function
** in it may be data that the module gathers while it works. */
static void enter_fields(lua_State *L, struct mp_names *n, int keys,
                         int queue, uint32_t up, const char *script) {
  int solid = mp_names_entry(n, up)->depth <= 2;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (lua_isfunction(L, -1))
      solid = 1;
    if (lua_type(L, -2) != LUA_TSTRING || !can_have_name(L, -1, script))
      continue;
    lua_pushvalue(L, -2);
    uint32_t i =
        mp_names_enter(L, n, &n->modules, keys, -2, up, MP_NAME_MODULE);
    lua_pop(L, 1);
    if (i != 0)
      enqueue(L, queue, i);
  }
  if (!solid)
    mp_names_entry(n, up)->kind = MP_NAME_DATA;
}

/* The main script's name: arg[0]. */
static const char *script_name(lua_State *L, int globals) {
  const char *name = NULL;
  lua_pushliteral(L, "arg");
  if (lua_rawget(L, globals) == LUA_TTABLE) {
    lua_rawgeti(L, -1, 0);
    name = lua_tostring(L, -1);
    lua_replace(L, -2); /* arg stays alive in its table, as the string does */
  }
  return name;
}

static void set_key_table(lua_State *L, int self, int uservalue) {
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, self, uservalue);
}

static void forget(struct mp_names *n) {
  mp_ptrmap_fini(&n->modules);
  mp_ptrmap_fini(&n->globals);
  mp_buf_fini(&n->entries);
  n->keys = 0;
  memset(&n->head, 0, sizeof n->head);
}

/* stack: index userdata */
static void make(lua_State *L, struct mp_names *n) {
  int self = lua_gettop(L);
  struct mp_name none = {0, 0, 0, 0};
  luaL_checkstack(L, 24, NULL);
  forget(n);
  n->seen = n->version - 1; /* not made yet: memory may fail */
  lua_pushglobaltable(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  n->globals_table = lua_topointer(L, self + 1);
  set_filter(n, n->globals_table);
  n->loaded_table = NULL; /* it has a name: package.loaded */
  set_key_table(L, self, MP_NAMES_KEYS);
  set_key_table(L, self, MP_NAMES_QUEUE);
  if (mp_buf_put(&n->entries, &none, sizeof none) < 0)
    mp_codec_no_memory(L);
  int keys = self + 3, queue = self + 4;
  const char *script = script_name(L, self + 1);
  enter_libraries(L, n, keys, self + 2);
  n->loaded_table = lua_topointer(L, self + 2);
  enter_modules(L, n, keys, queue, self + 2, script);
  for (uint32_t i = 1; i < count(n) && count(n) < MP_NAMES_MOST; i++) {
    if (lua_rawgeti(L, queue, (lua_Integer)i) == LUA_TTABLE &&
        mp_names_entry(n, i)->depth < MP_NAMES_DEEPEST)
      enter_fields(L, n, keys, queue, i, script);
    lua_pop(L, 1);
  }
  n->seen = n->version;
  n->module_keys = n->keys;
  n->module_entries = n->entries.len;
  lua_pushnil(L);
  lua_setiuservalue(L, self, MP_NAMES_QUEUE);
  lua_settop(L, self);
}

/* --- keeping it up to date ------------------------------------------------ */

static uint64_t mix(uint64_t h, const void *a, const void *b) {
  h += mp_ptr_hash(a) * 31 + mp_ptr_hash(b);
  return h + 1;
}

/* Of the table on top: which keys have which objects. */
static uint64_t signature(lua_State *L, uint64_t h) {
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
    if (lua_type(L, -2) == LUA_TSTRING)
      h = mix(h, lua_tostring(L, -2), lua_topointer(L, -1));
  return h;
}

static uint64_t loaded_signature(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  uint64_t h = signature(L, 0);
  lua_pop(L, 1);
  return h;
}

/* The same, of all modules' own tables. */
static uint64_t inner_signature(lua_State *L, const struct mp_names *n) {
  uint64_t h = 0;
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
    if (lua_istable(L, -1) && lua_topointer(L, -1) != n->globals_table)
      h = signature(L, h);
  lua_pop(L, 1);
  return h;
}

/* package.loaded[k] = v for a new k.  upvalue 1: index */
static int loaded_newindex(lua_State *L) {
  struct mp_names *n = lua_touserdata(L, lua_upvalueindex(1));
  n->version++;
  lua_settop(L, 3);
  lua_rawset(L, 1);
  return 0;
}

/*
** package.loaded gets a metatable whose __newindex counts, unless it has one:
** then it is looked through for every message.  stack: index userdata
*/
static void get_told(lua_State *L, struct mp_names *n) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  n->told = !lua_getmetatable(L, -1);
  if (n->told) {
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, -3);
    lua_pushcclosure(L, loaded_newindex, 1);
    lua_setfield(L, -2, "__newindex");
    lua_setmetatable(L, -2);
  }
  else
    lua_pop(L, 1);
  lua_pop(L, 1);
}

static int names_gc(lua_State *L) {
  forget(lua_touserdata(L, 1));
  return 0;
}

void mp_names_make_words(lua_State *L) {
  static const char *const words[MP_W_COUNT] = {"__reduce", "__index",
                                                "__mpref", "__name"};
  for (int i = 0; i < MP_W_COUNT; i++) {
    lua_pushstring(L, words[i]);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &words_key[i]);
  }
}

void mp_names_word(lua_State *L, enum mp_word w) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &words_key[w]);
}

/* pushes the index, made now */
static struct mp_names *create(lua_State *L) {
  struct mp_names *n = lua_newuserdatauv(L, sizeof *n, MP_NAMES_UVS);
  memset(n, 0, sizeof *n);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, names_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  get_told(L, n);
  make(L, n);
  n->signature = loaded_signature(L);
  n->inner = inner_signature(L, n);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &names_key);
  return n;
}

static void make_again(lua_State *L, struct mp_names *n) {
  make(L, n);
  n->signature = loaded_signature(L);
  n->inner = inner_signature(L, n);
}

struct mp_names *mp_names_fresh(lua_State *L, struct mp_names *known) {
  struct mp_names *n = known;
  if (n != NULL && n->told && n->version == n->seen)
    return n;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &names_key);
  n = lua_touserdata(L, -1);
  if (n == NULL) {
    lua_pop(L, 1);
    n = create(L);
  }
  else if (n->version != n->seen ||
           (!n->told && n->signature != loaded_signature(L)))
    make_again(L, n);
  lua_pop(L, 1);
  return n;
}

int mp_names_changed(lua_State *L, struct mp_names *n) {
  return !lua_checkstack(L, 8) || n->signature != loaded_signature(L) ||
         n->inner != inner_signature(L, n);
}

int mp_names_changed_for(lua_State *L, struct mp_names *n, const void *p) {
  const void **known = &n->nameless[mp_names_bit(p) % MP_NAMES_NAMELESS];
  enum { SURE_AFTER = 64 };
  if (*known == p && ++n->asked % SURE_AFTER != 0)
    return 0;
  int changed = mp_names_changed(L, n);
  *known = changed ? NULL : p;
  return changed;
}

void mp_names_look_again(lua_State *L, struct mp_names *n) {
  luaL_checkstack(L, 8, NULL);
  if (!mp_names_changed(L, n))
    return;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &names_key);
  make_again(L, n);
  lua_pop(L, 1);
}

void mp_names_push(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &names_key);
}

const void *mp_names_globals(const struct mp_names *n) {
  return n->globals_table;
}
