/*
** modules.h: the C half's modules, "multiprocessing.core.NAME"
** MIT licence, see LICENSE
*/

#ifndef MP_BIND_MODULES_H
#define MP_BIND_MODULES_H

#include "lua.h"

int mp_open_system(lua_State *L); /* time, cpus, pids: l_system.c */
int mp_open_process(lua_State *L); /* children: l_process.c */
int mp_open_start(lua_State *L); /* spawn, forkserver: l_start.c */
int mp_open_arena(lua_State *L); /* statistics, checks: l_arena.c */
int mp_open_output(lua_State *L); /* print, io.write: l_output.c */
int mp_open_queue(lua_State *L); /* queues: l_queue.c */
int mp_open_connection(lua_State *L); /* pipes: l_connection.c */
int mp_open_listener(lua_State *L); /* sockets: l_listener.c */
int mp_open_wait(lua_State *L); /* waiting for several: l_wait.c */
int mp_open_codec(lua_State *L);  /* dumps, loads: l_codec.c */
int mp_open_pool(lua_State *L); /* pools: l_pool.c */
int mp_open_worker(lua_State *L); /* their workers: l_worker.c */
int mp_open_sync(lua_State *L); /* locks, semaphores...: l_sync.c */
int mp_open_types(lua_State *L); /* the host's userdata: l_types.c */
int mp_open_server(lua_State *L); /* a manager's server: l_server.c */
int mp_open_task(lua_State *L); /* what runs in it: l_task.c */
int mp_open_shared(lua_State *L); /* values, arrays: l_value.c */
int mp_open_dict(lua_State *L); /* manager dicts, Namespaces: l_dict.c */
int mp_open_list(lua_State *L); /* manager lists: l_list.c */

#endif
