/*
** socket.h: a host's socket as a connection
** MIT licence, see LICENSE
*/

#ifndef MP_BIND_SOCKET_H
#define MP_BIND_SOCKET_H

#include <stdint.h>

#include "lua.h"

/* Pushes a connection over a stream socket, which it then owns; `code`:
** functions may pass.  Returns 1; may raise: then the socket is the caller's
** still. */
int mp_socket_push(lua_State *L, int fd, int code, uint64_t limit);

#endif
