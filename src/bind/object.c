/*
** object.c: shared objects as Lua sees them
** MIT licence, see LICENSE
*/

#include "bind/object.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/code.h"
#include "bind/core.h"

/* --- the collector -------------------------------------------------------- */

/*
** Lua 5.4 counts only what its allocator gives.  A step "of n KiB" adds n KiB
** to the collector's debt, which is what an allocation of that size would
** have done.  Small amounts are saved up.
*/
void mp_gc_charge(lua_State *L, uint64_t n) {
  static _Thread_local uint64_t saved;
  enum { WORTH_A_STEP = 16 * 1024 };
  saved += n;
  if (saved < WORTH_A_STEP || !lua_gc(L, LUA_GCISRUNNING))
    return;
  uint64_t kib = saved / 1024;
  saved = 0;
  lua_gc(L, LUA_GCSTEP, kib > INT_MAX ? INT_MAX : (int)kib);
}

/* --- handles -------------------------------------------------------------- */

/* pushes a closed handle */
static struct mp_handle *new_closed(lua_State *L, const struct mp_kind *kind) {
  size_t size = kind->size ? kind->size : sizeof(struct mp_handle);
  struct mp_handle *h = lua_newuserdatauv(L, size, kind->uservalues);
  memset(h, 0, size);
  h->kind = kind->name;
  luaL_setmetatable(L, kind->name);
  return h;
}

static void opened(lua_State *L, const struct mp_kind *kind,
                   struct mp_handle *h, struct mp_arena *a, mp_off off) {
  h->off = off;
  h->body = mp_at(a, off);
  if (kind->ready != NULL)
    kind->ready(L, h);
}

struct mp_handle *mp_handle_create(lua_State *L, const struct mp_kind *kind,
                                   size_t size) {
  struct mp_arena *a = mp_core_arena(L);
  struct mp_handle *h = new_closed(L, kind);
  mp_off off;
  int rc = mp_object_create(a, kind->type, size, &off, &h->number);
  if (rc == MP_ENOARENA || rc == -ENOMEM) {
    lua_gc(L, LUA_GCCOLLECT);
    rc = mp_object_create(a, kind->type, size, &off, &h->number);
  }
  if (rc < 0)
    mp_raise_code(L, rc, kind->name);
  opened(L, kind, h, a, off);
  mp_gc_charge(L, size);
  return h;
}

struct mp_handle *mp_handle_push(lua_State *L, const struct mp_kind *kind,
                                 mp_off off) {
  struct mp_arena *a = mp_core_arena(L);
  struct mp_handle *h = new_closed(L, kind);
  int rc = MP_ECORRUPT;
  if (mp_object_is(a, off, kind->type))
    rc = mp_object_attach(a, off, &h->number);
  if (rc < 0)
    mp_raise_code(L, rc, kind->name);
  opened(L, kind, h, a, off);
  mp_gc_charge(L, mp_block_size(a, off));
  return h;
}

void mp_handle_close(struct mp_handle *h, const struct mp_kind *kind) {
  if (h->off == 0)
    return;
  if (kind->leave != NULL)
    kind->leave(h);
  h->off = 0;
  h->body = NULL;
  mp_object_detach(mp_arena_if_any(), h->number);
}

mp_off mp_handle_place(void *userdata) {
  return ((struct mp_handle *)userdata)->off;
}

/* --- checks --------------------------------------------------------------- */

/* "multiprocessing.Queue" -> "Queue" */
static const char *short_name(const struct mp_kind *kind) {
  const char *dot = strchr(kind->name, '.');
  return dot == NULL ? kind->name : dot + 1;
}

/* A method's first argument is most often missing because of a dot. */
static int raise_type(lua_State *L, int arg, const struct mp_kind *kind) {
  if (arg != 1)
    return luaL_typeerror(L, arg, kind->name);
  return luaL_argerror(L, arg,
      lua_pushfstring(L, "%s expected, got %s; call it with a colon",
                      kind->name, luaL_typename(L, arg)));
}

static int raise_closed(lua_State *L, const struct mp_kind *kind) {
  lua_Debug ar;
  const char *method = NULL;
  if (lua_getstack(L, 0, &ar) && lua_getinfo(L, "n", &ar))
    method = ar.name;
  return mp_raise(L, "ClosedError", "%s%s%s: it was closed in this process",
                  short_name(kind), method ? ":" : "", method ? method : "");
}

static int raise_wrong(lua_State *L, int arg, const struct mp_kind *kind) {
  if (mp_handle_test(L, arg, kind) == NULL)
    return raise_type(L, arg, kind);
  return raise_closed(L, kind);
}

/* A foreign userdata is either smaller or does not begin with a pointer to
** our own name, so no metatable has to be looked up. */
struct mp_handle *mp_handle_test(lua_State *L, int arg,
                                 const struct mp_kind *kind) {
  struct mp_handle *h = lua_touserdata(L, arg);
  if (h != NULL && lua_rawlen(L, arg) >= sizeof *h && h->kind == kind->name)
    return h;
  return NULL;
}

struct mp_handle *mp_handle_check(lua_State *L, int arg,
                                  const struct mp_kind *kind) {
  struct mp_handle *h = mp_handle_test(L, arg, kind);
  if (h == NULL || h->off == 0)
    raise_wrong(L, arg, kind);
  return h;
}

/* --- classes -------------------------------------------------------------- */

/* upvalue 1: metatable, 2: kind.  In a metatable that user code can reach by
** debug.getmetatable alone, but the argument is checked all the same. */
static int handle_gc(lua_State *L) {
  const struct mp_kind *kind = lua_touserdata(L, lua_upvalueindex(2));
  struct mp_handle *h = mp_handle_test(L, 1, kind);
  if (h != NULL)
    mp_handle_close(h, kind);
  return 0;
}

static int handle_eq(lua_State *L) {
  const struct mp_kind *kind = lua_touserdata(L, lua_upvalueindex(2));
  const struct mp_handle *x = mp_handle_test(L, 1, kind);
  const struct mp_handle *y = mp_handle_test(L, 2, kind);
  lua_pushboolean(L, x != NULL && y != NULL && x->off != 0 && x->off == y->off);
  return 1;
}

/* stack: metatable -> the same, with functions that also know the kind */
static void set_common(lua_State *L, const struct mp_kind *kind) {
  static const luaL_Reg common[] = {
      {"__gc", handle_gc}, {"__eq", handle_eq}, {NULL, NULL}};
  lua_pushvalue(L, -1);
  lua_pushlightuserdata(L, (void *)(uintptr_t)kind);
  luaL_setfuncs(L, common, 2);
}

/*
** As luaL_newmetatable.  The two fields that are looked up at every access come
** first, in a table that need not grow: so they are found at the first look.
*/
static void new_metatable(lua_State *L, const char *name) {
  if (luaL_getmetatable(L, name) != LUA_TNIL)
    return;
  lua_pop(L, 1);
  lua_createtable(L, 0, 16);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__newindex");
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  lua_pushnil(L);
  lua_setfield(L, -2, "__newindex");
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, name);
}

void mp_handle_class(lua_State *L, const struct mp_kind *kind,
                     const struct mp_ref_type *ref, const luaL_Reg *methods,
                     const luaL_Reg *meta) {
  new_metatable(L, kind->name);
  set_common(L, kind);
  lua_newtable(L);
  lua_pushvalue(L, -2);
  luaL_setfuncs(L, methods, 1);
  lua_setfield(L, -2, "__index");
  if (meta != NULL) {
    lua_pushvalue(L, -1);
    luaL_setfuncs(L, meta, 1);
  }
  if (ref == NULL)
    return;
  lua_pushlightuserdata(L, (void *)(uintptr_t)ref);
  lua_setfield(L, -2, "__mpref");
  mp_ref_register(ref);
}

void mp_handle_setfuncs(lua_State *L, const struct mp_kind *kind,
                        const luaL_Reg *functions) {
  luaL_getmetatable(L, kind->name);
  luaL_setfuncs(L, functions, 1);
}
