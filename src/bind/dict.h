/*
** dict.h: what dicts and Namespaces have in common as Lua sees them
** MIT licence, see LICENSE
*/

#ifndef MP_BIND_DICT_H
#define MP_BIND_DICT_H

#include "lua.h"

#include "bind/object.h"
#include "bind/stored.h"
#include "store/dict.h"

extern const struct mp_kind mp_dict_kind;
extern const struct mp_kind mp_space_kind;

/* Pushes a new, empty one. */
int mp_dict_make(lua_State *L, const struct mp_kind *k, uint32_t flags);

/* Raises what a negative code means. */
int mp_dict_raise(lua_State *L, int64_t code, const char *method);

/* The key at stack[arg], of a dict or a Namespace; or an error. */
void mp_dict_key(lua_State *L, int arg, struct mp_key *k);
void mp_name_key(lua_State *L, int arg, struct mp_key *k);

/* Pushes the value and returns 1, or returns 0 and pushes nothing. */
int mp_dict_push_value(lua_State *L, struct mp_dict *d,
                       const struct mp_key *k);
/* Sets the value at stack[arg]; nil removes. */
void mp_dict_set_value(lua_State *L, struct mp_dict *d,
                       const struct mp_key *k, int arg);
/* 1 when it was there: then *got is the value, if got is not NULL. */
int mp_dict_remove_key(lua_State *L, struct mp_dict *d,
                       const struct mp_key *k, struct mp_got *got);

/* All entries of the table at a stack index, in one step. */
void mp_dict_update_all(lua_State *L, struct mp_dict *d, int table);

/* Pushes a snapshot and returns the number of entries. */
int64_t mp_dict_snapshot_push(lua_State *L, struct mp_dict *d);
/* Pushes the contents; an iterator over them, for pairs. */
int mp_dict_as_table(lua_State *L, struct mp_dict *d);
int mp_dict_iterate(lua_State *L, struct mp_dict *d);

#endif
