/*
** fail.h: how the codec raises
** MIT licence, see LICENSE
*/

#ifndef MP_CODEC_FAIL_H
#define MP_CODEC_FAIL_H

#include "lua.h"

/* Raises a SerializationError with the message on top of the stack. */
int mp_codec_raise(lua_State *L);
/* The same with a formatted message (lua_pushfstring's formats). */
int mp_codec_fail(lua_State *L, const char *fmt, ...);
/* Raises Lua's memory error. */
int mp_codec_no_memory(lua_State *L);

/* Pushes the metatable of the library's error objects, or nil. */
void mp_codec_condition(lua_State *L);
/* Remembers it: called once, with the module "multiprocessing.errors" on top
** of the stack (it stays there). */
void mp_codec_set_errors(lua_State *L);

#endif
