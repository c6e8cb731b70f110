/*
** message.c: Lua values into parcels, items into Lua values
** MIT licence, see LICENSE
*/

#include "bind/message.h"

#include <stdatomic.h>

#include "lauxlib.h"

#include "os/self.h"
#include "shm/slot.h"

/* --- out ------------------------------------------------------------------ */

static void fill(const void *source, void *dst) {
  mp_encoded_copy(source, dst);
}

void mp_message_parcel(const struct mp_encoded *e, struct mp_parcel *p) {
  p->size = mp_encoded_size(e);
  p->nrefs = mp_encoded_refs(e, &p->refs);
  p->fill = fill;
  p->source = e;
}

struct mp_encoded *mp_message_encode_item(lua_State *L, int index,
                                          int64_t item, struct mp_parcel *p) {
  const struct mp_codec_opts opts = {
      .flags = MP_CODEC_CODE | MP_CODEC_SHARED, .item = item};
  struct mp_encoded *e = mp_encode(L, index, 1, &opts);
  mp_message_parcel(e, p);
  return e;
}

struct mp_encoded *mp_message_encode(lua_State *L, int index,
                                     struct mp_parcel *p) {
  return mp_message_encode_item(L, index, 0, p);
}

static void fill_scalar(const void *source, void *dst) {
  mp_scalar_copy(source, dst);
}

int mp_message_scalar(lua_State *L, int index, struct mp_scalar *s,
                      struct mp_parcel *p) {
  if (!mp_scalar_encode(L, index, s))
    return 0;
  *p = (struct mp_parcel){
      .size = mp_scalar_size(s), .fill = fill_scalar, .source = s};
  return 1;
}

/* --- in ------------------------------------------------------------------- */

/* Is this process somebody's child?  Asked once a process. */
static int is_child(struct mp_arena *a) {
  static _Atomic int32_t asked; /* pid; negative: it is a child */
  int32_t pid = (int32_t)mp_self_pid();
  int32_t known = atomic_load_explicit(&asked, memory_order_relaxed);
  if (known != pid && known != -pid) {
    struct mp_slot_info info = {.creator = 0};
    mp_proc self;
    if (mp_self_proc(a, &self) == 0)
      mp_slot_info(a, self, &info);
    known = info.creator != 0 ? -pid : pid;
    atomic_store_explicit(&asked, known, memory_order_relaxed);
  }
  return known < 0;
}

int mp_message_decode(lua_State *L, struct mp_arena *a,
                      struct mp_item *item) {
  struct mp_codec_opts opts = {.flags = MP_CODEC_CODE | MP_CODEC_SHARED};
  if (item->block == 0 && mp_scalar_decode(L, item->data, item->size, 0))
    return 1;
  if (is_child(a))
    opts.flags |= MP_CODEC_REPLACE;
  int top = lua_gettop(L);
  int n = mp_decode(L, item->data, item->size, &opts);
  mp_item_free(a, item);
  lua_settop(L, top + 1);
  return n < 0 ? n : 1;
}

int mp_message_take(lua_State *L, struct mp_arena *a, struct mp_item *item) {
  if (item->block == 0 && mp_scalar_decode(L, item->data, item->size, 1))
    return 1;
  return mp_message_decode(L, a, item);
}

/* --- errors --------------------------------------------------------------- */

int mp_raise_value(lua_State *L, const char *name) {
  int message = lua_gettop(L);
  luaL_checkstack(L, 10, NULL);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "multiprocessing.errors");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "new");
  lua_pushstring(L, name);
  lua_pushvalue(L, message);
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, message - 1);
  lua_setfield(L, -2, "value");
  lua_call(L, 3, 1);
  return lua_error(L);
}
