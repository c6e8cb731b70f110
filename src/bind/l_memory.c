/*
** l_memory.c: SharedMemory as Lua sees it
** MIT licence, see LICENSE
**
** Two classes with the same methods: memory of the arena is a shared object
** like any other; memory with a name is a mapping, and travels by its name.
*/

#include <errno.h>
#include <string.h>

#include "bind/cells.h"
#include "bind/core.h"
#include "os/shmfile.h"
#include "store/memory.h"

static const struct mp_kind kind = {.name = "multiprocessing.SharedMemory",
                                    .type = MP_T_MEMORY};

struct named {
  unsigned char *data; /* NULL when closed */
  uint64_t size;
};

static const char named_class[] = "multiprocessing.NamedMemory";

static void memory_push(lua_State *L, mp_off off) {
  mp_handle_push(L, &kind, off);
}

static const struct mp_ref_type ref = {
    .id = MP_T_MEMORY, .place = mp_handle_place, .push = memory_push};

/* --- either --------------------------------------------------------------- */

struct span {
  unsigned char *data;
  uint64_t size;
};

static struct span check_open(lua_State *L) {
  struct named *n = luaL_testudata(L, 1, named_class);
  if (n == NULL) {
    struct mp_memory *m = mp_handle_check(L, 1, &kind)->body;
    return (struct span){m->data, m->size};
  }
  if (n->data == NULL)
    mp_raise(L, "ClosedError", "this SharedMemory is closed");
  return (struct span){n->data, n->size};
}

/* The bytes from the 1-based offset at stack[arg] on; n of them must be
** there. */
static unsigned char *check_range(lua_State *L, struct span s, int arg,
                                  uint64_t n) {
  lua_Integer offset = luaL_checkinteger(L, arg);
  if (offset < 1 || (uint64_t)offset > s.size + 1 ||
      n > s.size - (uint64_t)(offset - 1))
    luaL_error(L, "%I bytes at offset %I are outside this memory (1..%I)",
               (LUAI_UACINT)n, (LUAI_UACINT)offset, (LUAI_UACINT)s.size);
  return s.data + (offset - 1);
}

/* read([offset = 1 [, n = the rest]]) */
static int memory_read(lua_State *L) {
  struct span s = check_open(L);
  if (lua_isnoneornil(L, 2)) {
    lua_settop(L, 3);
    lua_pushinteger(L, 1);
    lua_replace(L, 2);
  }
  lua_Integer offset = luaL_checkinteger(L, 2);
  lua_Integer n = luaL_optinteger(L, 3, (lua_Integer)s.size - offset + 1);
  luaL_argcheck(L, lua_isnoneornil(L, 3) || n >= 0, 3,
                "0 or more bytes expected");
  const unsigned char *from =
      check_range(L, s, 2, n > 0 ? (uint64_t)n : 0);
  lua_pushlstring(L, (const char *)from, n > 0 ? (size_t)n : 0);
  return 1;
}

static int memory_write(lua_State *L) {
  struct span s = check_open(L);
  size_t n;
  luaL_checktype(L, 3, LUA_TSTRING);
  const char *from = lua_tolstring(L, 3, &n);
  memcpy(check_range(L, s, 2, n), from, n);
  return 0;
}

static int memory_size(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check_open(L).size);
  return 1;
}

/* --- in the arena --------------------------------------------------------- */

static int memory_close(lua_State *L) {
  struct mp_handle *h = mp_handle_test(L, 1, &kind);
  luaL_argexpected(L, h != NULL, 1, "SharedMemory");
  mp_handle_close(h, &kind);
  return 0;
}

static lua_Integer check_size(lua_State *L, int arg) {
  lua_Integer n = luaL_checkinteger(L, arg);
  luaL_argcheck(L, n > 0, arg, "size of 1 or more expected");
  return n;
}

/* memory(size) */
static int new_memory(lua_State *L) {
  lua_Integer n = check_size(L, 1);
  if (n > (lua_Integer)1 << 48)
    return luaL_error(L, "SharedMemory: not enough memory");
  struct mp_memory *m =
      mp_handle_create(L, &kind, sizeof(struct mp_memory) + (size_t)n)->body;
  m->size = (uint64_t)n;
  return 1;
}

/* --- with a name ---------------------------------------------------------- */

static int named_close(lua_State *L) {
  struct named *n = luaL_checkudata(L, 1, named_class);
  void *data = n->data;
  n->data = NULL;
  if (data != NULL)
    mp_memory_unmap(data, n->size);
  return 0;
}

static int named_name(lua_State *L) {
  luaL_checkudata(L, 1, named_class);
  lua_getiuservalue(L, 1, 1);
  return 1;
}

static int raise_named(lua_State *L, int rc, const char *what) {
  const char *name = lua_tostring(L, 1);
  const char *why = rc == -EEXIST  ? "it exists already"
                    : rc == -ENOENT ? "it does not exist"
                    : rc == -EINVAL ? "not a valid name, or empty"
                                    : strerror(-rc);
  return mp_raise(L, "ProcessError", "cannot %s SharedMemory '%s': %s", what,
                  name, why);
}

/* named(name, create, size) */
static int new_named(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  int create = lua_toboolean(L, 2);
  uint64_t size = create ? (uint64_t)check_size(L, 3) : 0;
  void *data;
  struct named *n = lua_newuserdatauv(L, sizeof *n, 1);
  memset(n, 0, sizeof *n);
  luaL_setmetatable(L, named_class);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  int rc = mp_memory_map(name, create, &size, &data);
  if (rc < 0)
    return raise_named(L, rc, create ? "create" : "open");
  n->size = size;
  n->data = data;
  return 1;
}

/* unlink(name) */
static int unlink_named(lua_State *L) {
  int rc = mp_shmfile_unlink(luaL_checkstring(L, 1));
  return rc < 0 ? raise_named(L, rc, "unlink") : 0;
}

static const luaL_Reg methods[] = {{"read", memory_read},
                                   {"write", memory_write},
                                   {"close", memory_close},
                                   {NULL, NULL}};

static const luaL_Reg named_methods[] = {{"read", memory_read},
                                         {"write", memory_write},
                                         {"close", named_close},
                                         {NULL, NULL}};

static const luaL_Reg meta[] = {{"__len", memory_size},
                                {"__close", memory_close},
                                {NULL, NULL}};

static const luaL_Reg named_meta[] = {{"__len", memory_size},
                                      {"__close", named_close},
                                      {"__gc", named_close},
                                      {NULL, NULL}};

static const luaL_Reg functions[] = {{"memory", new_memory},
                                     {"named", new_named},
                                     {"unlink", unlink_named},
                                     {"memory_name", named_name},
                                     {NULL, NULL}};

/* The metatables become fields as well: the Lua half adds to them. */
void mp_add_memory(lua_State *L) {
  mp_sync_class(L, "SharedMemory", &kind, &ref, methods, meta);
  luaL_getmetatable(L, kind.name);
  lua_setfield(L, -2, "memory_meta");
  luaL_newmetatable(L, named_class);
  luaL_setfuncs(L, named_meta, 0);
  luaL_newlib(L, named_methods);
  lua_pushvalue(L, -1);
  lua_setfield(L, -4, "NamedMemory");
  lua_setfield(L, -2, "__index");
  lua_setfield(L, -2, "named_meta");
  luaL_setfuncs(L, functions, 0);
}
