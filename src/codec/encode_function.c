/*
** encode_function.c: Lua functions, with what they use
** MIT licence, see LICENSE
**
**   FUNCTION | prototype | n, upvalues | n, globals
**
** A prototype is what lua_dump gives, with debug information, once a message.
** Upvalues are numbered; one that several closures share is written once.
** The globals that the code names follow, if the standard library does not
** have them and this message has not sent them yet; and with them what users
** have put into the library's tables under names that the code looks up.
*/

#include "codec/encode.h"

#include <string.h>

#include "lauxlib.h"

#include "codec/bytecode.h"
#include "codec/fail.h"
#include "codec/hash.h"
#include "codec/stdlib.h"
#include "codec/wire.h"

enum { CHECKED_ENVS = 64 }; /* upvalues in struct mp_proto's set */

/* --- prototypes ----------------------------------------------------------- */

static int dump_writer(lua_State *L, const void *p, size_t n, void *ud) {
  (void)L;
  return mp_buf_put(&((struct mp_encoded *)ud)->out, p, n) < 0;
}

/* Appends the dump of the function on top to `out`; its size. */
static size_t dump(lua_State *L, struct mp_encoded *e) {
  size_t before = e->out.len;
  if (lua_dump(L, dump_writer, e, 0) != 0)
    mp_codec_no_memory(L);
  if (e->limit != 0 && e->out.len > e->limit)
    mp_enc_grow(L, e, 1);
  return e->out.len - before;
}

static struct mp_proto *find_proto(struct mp_encoded *e,
                                   const unsigned char *hash,
                                   const unsigned char *code, size_t size) {
  struct mp_proto *p = (struct mp_proto *)(void *)e->protos.data;
  size_t n = e->protos.len / sizeof *p;
  for (; n > 0; n--, p++)
    if (p->size == size && memcmp(p->hash, hash, sizeof p->hash) == 0 &&
        memcmp(e->out.data + p->at + MP_PROTO_HEAD, code, size) == 0)
      return p;
  return NULL;
}

/*
** Writes the prototype of the function on top: new, with its size and a check
** sum, or where it was.  *proto: the entry; 1 when it is new.
*/
static int put_proto(lua_State *L, struct mp_encoded *e, struct mp_proto *out) {
  size_t at = e->out.len + 1;
  mp_enc_tag(L, e, MP_PROTO_NEW);
  mp_enc_room(L, e, MP_PROTO_HEAD);
  e->out.len += MP_PROTO_HEAD;
  size_t size = dump(L, e);
  unsigned char *code = e->out.data + at + MP_PROTO_HEAD;
  mp_hash(out->hash, code, size);
  struct mp_proto *seen = find_proto(e, out->hash, code, size);
  if (seen != NULL) {
    *out = *seen;
    e->out.len = at - 1;
    mp_enc_tag(L, e, MP_PROTO_SEEN);
    mp_enc_varint(L, e, seen->at);
    return 0;
  }
  out->at = at;
  out->size = size;
  out->envs = 0;
  memcpy(mp_put64(e->out.data + at, size), out->hash, MP_PROTO_HEAD - 8);
  return 1;
}

/* --- what the code names -------------------------------------------------- */

/* stack: metatable's __index.  Is it the globals table? */
static int is_globals(lua_State *L, const struct mp_encoded *e) {
  return lua_topointer(L, -1) == mp_names_globals(e->names);
}

/* stack: table, its __index, a function.  Does it find the globals as _G? */
static int finds_globals(lua_State *L, const struct mp_encoded *e) {
  lua_pushvalue(L, -2);
  lua_pushnil(L);
  if (lua_next(L, -2)) {
    lua_pop(L, 3);
    return 0;
  }
  lua_pushvalue(L, -2);
  lua_insert(L, -2);
  lua_pushliteral(L, "_G");
  int found = lua_pcall(L, 2, 1, 0) == LUA_OK && is_globals(L, e);
  lua_pop(L, 1);
  return found;
}

/*
** What an upvalue is to the globals: nothing, the table itself, a table that
** falls back on it, or an empty one that stands for it: test frameworks give
** each file such an environment, with an __index function over all that they
** know, which nobody wants to send.
*/
enum env_kind { ENV_NONE, ENV_GLOBALS, ENV_FALLS_BACK, ENV_STAND_IN };

static enum env_kind env_kind(lua_State *L, const struct mp_encoded *e) {
  enum env_kind kind = ENV_NONE;
  if (!lua_istable(L, -1))
    return ENV_NONE;
  if (is_globals(L, e))
    return ENV_GLOBALS;
  if (!lua_getmetatable(L, -1))
    return ENV_NONE;
  mp_names_word(L, MP_W_INDEX);
  lua_rawget(L, -2);
  lua_remove(L, -2);
  if (is_globals(L, e))
    kind = ENV_FALLS_BACK;
  else if (lua_isfunction(L, -1) && finds_globals(L, e))
    kind = ENV_STAND_IN;
  lua_pop(L, 1);
  return kind;
}

/* stack: function.  Which of its upvalues are, as a set of the first 64. */
static uint64_t find_envs(lua_State *L, struct mp_encoded *e,
                          unsigned char *is_env_at) {
  uint64_t set = 0;
  for (int i = 1; i <= UINT8_MAX && lua_getupvalue(L, -1, i) != NULL; i++) {
    enum env_kind kind = env_kind(L, e);
    is_env_at[i - 1] = kind != ENV_NONE;
    if (kind != ENV_NONE)
      set |= UINT64_C(1) << (i - 1) % CHECKED_ENVS;
    if (kind == ENV_STAND_IN)
      lua_setiuservalue(L, e->self, MP_UV_ENV); /* globals are found in it */
    else
      lua_pop(L, 1);
  }
  return set;
}

/* Pushes the global whose name is on top, as functions see it. */
static void push_global(lua_State *L, struct mp_encoded *e) {
  if (lua_getiuservalue(L, e->self, MP_UV_ENV) == LUA_TTABLE) {
    lua_pushvalue(L, -2);
    lua_gettable(L, -2);
  }
  else {
    lua_pop(L, 1);
    lua_pushglobaltable(L);
    lua_pushvalue(L, -2);
    lua_rawget(L, -2);
  }
  lua_remove(L, -2);
}

/* The libraries' tables, once a message: they are asked about each field that
** the code names, which are few beside the fields that they have.
** stack: -> list of tables, false where there is none */
static void push_libraries(lua_State *L, struct mp_encoded *e) {
  lua_getiuservalue(L, e->self, MP_UV_ADDITIONS);
  if (e->additions != 2)
    return;
  e->additions = 1;
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (int i = 1; mp_libraries[i].name != NULL; i++) {
    if (lua_getfield(L, -1, mp_libraries[i].name) != LUA_TTABLE) {
      lua_pop(L, 1);
      lua_pushboolean(L, 0);
    }
    lua_rawseti(L, -3, i);
  }
  lua_pop(L, 1);
}

/* stack: library or false, name -> the same.  Have users set that field? */
static int is_addition(lua_State *L, const struct mp_library *lib) {
  if (!lua_istable(L, -2))
    return 0;
  lua_pushvalue(L, -1);
  lua_rawget(L, -3);
  int there = !lua_isnil(L, -1);
  int own = lua_isfunction(L, -1) && !lua_iscfunction(L, -1);
  lua_pop(L, 1);
  return there && (own || !mp_library_has(lib, lua_tostring(L, -1)));
}

/* Notes that this message sends the global: 1; 0: it did, or need not.
** stack: set of names sent, name -> set of names sent */
static int must_send_global(lua_State *L, struct mp_encoded *e) {
  lua_pushvalue(L, -1);
  int sent = lua_rawget(L, -3) != LUA_TNIL;
  lua_pop(L, 1);
  push_global(L, e);
  int needed = !sent && !lua_isnil(L, -1) && !is_globals(L, e) &&
               !mp_names_standard(L, lua_tostring(L, -2));
  lua_pop(L, 1);
  if (needed) {
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
  }
  else
    lua_pop(L, 1);
  return needed;
}

static void need_global(lua_State *L, struct mp_encoded *e, size_t at,
                        const struct mp_named *n) {
  struct mp_need need = {at + n->at, (uint32_t)n->size, -1};
  lua_getiuservalue(L, e->self, MP_UV_SENT);
  lua_pushlstring(L, (const char *)e->out.data + need.at, need.size);
  if (must_send_global(L, e)) {
    e->carries = 1;
    mp_enc_note(L, &e->needs, &need, sizeof need);
  }
  lua_pop(L, 1);
}

/* A field's name that users have added to some library: all of those, once a
** message. */
static void need_field(lua_State *L, struct mp_encoded *e, size_t at,
                       const struct mp_named *n) {
  struct mp_need need = {at + n->at, (uint32_t)n->size, 1};
  push_libraries(L, e);
  lua_pushlstring(L, (const char *)e->out.data + need.at, need.size);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, -3) != LUA_TNIL) {
    lua_pop(L, 3);
    return;
  }
  lua_pop(L, 1);
  lua_pushvalue(L, -1);
  lua_pushboolean(L, 1);
  lua_rawset(L, -4);
  for (; mp_libraries[need.library].name != NULL; need.library++) {
    lua_rawgeti(L, -2, need.library);
    lua_pushvalue(L, -2);
    if (is_addition(L, &mp_libraries[need.library])) {
      e->carries = 1;
      mp_enc_note(L, &e->needs, &need, sizeof need);
    }
    lua_pop(L, 2);
  }
  lua_pop(L, 2);
}

/* stack: function.  Appends to `needs` what it names. */
static void find_needs(lua_State *L, struct mp_encoded *e,
                       struct mp_proto *p, const unsigned char *is_env_at) {
  size_t at = p->at + MP_PROTO_HEAD;
  e->named.len = 0;
  if (mp_bytecode_names(e->out.data + at, p->size, is_env_at, 1,
                        &e->named) < 0)
    mp_codec_no_memory(L);
  for (size_t i = 0; i < e->named.len / sizeof(struct mp_named); i++) {
    struct mp_named n =
        ((const struct mp_named *)(const void *)e->named.data)[i];
    if (n.is_field)
      need_field(L, e, at, &n);
    else
      need_global(L, e, at, &n);
  }
}

/* stack: function */
static void put_proto_and_needs(lua_State *L, struct mp_encoded *e) {
  struct mp_proto proto;
  unsigned char is_env_at[UINT8_MAX + 1] = {0};
  int is_new = put_proto(L, e, &proto);
  uint64_t envs = find_envs(L, e, is_env_at);
  if (is_new || (envs & ~proto.envs) != 0)
    find_needs(L, e, &proto, is_env_at);
  proto.envs |= envs;
  if (is_new)
    mp_enc_note(L, &e->protos, &proto, sizeof proto);
}

/* --- the record ----------------------------------------------------------- */

static int upvalue_count(lua_State *L) {
  lua_Debug ar;
  lua_pushvalue(L, -1);
  lua_getinfo(L, ">u", &ar);
  return ar.nups;
}

int mp_put_function(lua_State *L, struct mp_encoded *e) {
  if (e->names == NULL)
    return mp_enc_fail(L, e, "a function (only data may pass here)");
  if (lua_iscfunction(L, -1))
    return mp_put_c_function(L, e);
  int rc = mp_put_named(L, e);
  if (rc >= 0)
    return rc;
  if (!mp_enc_turn_rich(e))
    return 1;
  uint64_t at = e->out.len;
  size_t need = e->needs.len;
  e->head_flags |= MP_HEAD_CODE;
  mp_enc_tag(L, e, MP_TAG_FUNCTION);
  put_proto_and_needs(L, e);
  int n = upvalue_count(L);
  mp_enc_tag(L, e, n);
  struct mp_frame *f = mp_enc_push(L, e, MP_FRAME_FUNCTION, at, 1);
  f->pairs = (uint32_t)n;
  f->need = (uint32_t)(need / sizeof(struct mp_need));
  return 0;
}

/* The next upvalue of the function on top.  1: written; 0: a frame has it. */
static int put_upvalue(lua_State *L, struct mp_encoded *e, int i) {
  uint64_t number = 0;
  void *id = lua_upvalueid(L, -1, i);
  int rc = mp_ptrmap_put(&e->cell_of, id, e->cells, &number);
  if (rc < 0)
    mp_codec_no_memory(L);
  if (rc == 0) {
    mp_enc_tag(L, e, MP_UPVALUE_SEEN);
    mp_enc_varint(L, e, number);
    return 1;
  }
  e->cells++;
  mp_enc_tag(L, e, MP_UPVALUE_NEW);
  lua_getupvalue(L, -1, i);
  if (env_kind(L, e) == ENV_STAND_IN)
    mp_enc_tag(L, e, MP_TAG_GLOBALS);
  else if (!mp_put_value(L, e))
    return 0;
  lua_pop(L, 1);
  return 1;
}

static size_t need_count(const struct mp_encoded *e, const struct mp_frame *f) {
  return e->needs.len / sizeof(struct mp_need) - f->need;
}

/* stack: function.  Its upvalues are written; now the globals. */
static void begin_globals(lua_State *L, struct mp_encoded *e) {
  struct mp_frame *f = mp_enc_top(e);
  size_t n = need_count(e, f);
  mp_enc_varint(L, e, n);
  f->kind = MP_FRAME_GLOBALS;
  f->list = 0;
  f->pairs = (uint32_t)n;
}

/* Writes form and name of a need; pushes name (for error paths) and value. */
static void push_need(lua_State *L, struct mp_encoded *e,
                      const struct mp_need *need) {
  int field = need->library >= 0;
  mp_enc_tag(L, e, field ? MP_GLOBAL_FIELD : MP_GLOBAL_NAME);
  if (field)
    mp_enc_tag(L, e, need->library);
  mp_enc_varint(L, e, need->size);
  mp_enc_room(L, e, need->size);
  const char *name = (const char *)e->out.data + need->at;
  mp_enc_bytes(L, e, name, need->size);
  lua_pushlstring(L, (const char *)e->out.data + need->at, need->size);
  if (field) {
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, mp_libraries[need->library].name);
    lua_pushvalue(L, -3);
    lua_rawget(L, -2);
    lua_replace(L, -3);
    lua_pop(L, 1);
  }
  else
    push_global(L, e);
}

/* stack: function [, name: its value was written] */
static void step_globals(lua_State *L, struct mp_encoded *e) {
  struct mp_frame *f = mp_enc_top(e);
  if (f->list > 0)
    lua_pop(L, 1);
  while (f->list < f->pairs) {
    struct mp_need need =
        ((const struct mp_need *)(const void *)e->needs.data)[f->need +
                                                              f->list++];
    push_need(L, e, &need);
    if (!mp_put_value(L, e))
      return;
    lua_pop(L, 2);
  }
  e->needs.len = f->need * sizeof(struct mp_need);
  lua_pop(L, 1);
  mp_enc_pop(L, e);
}

void mp_step_function(lua_State *L, struct mp_encoded *e) {
  struct mp_frame *f = mp_enc_top(e);
  if (f->kind == MP_FRAME_FUNCTION) {
    while (f->list < f->pairs)
      if (!put_upvalue(L, e, (int)++f->list))
        return;
    begin_globals(L, e);
  }
  step_globals(L, e);
}
