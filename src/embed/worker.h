/*
** worker.h: the process of a run's script, and the one that watches it
** MIT licence, see LICENSE
*/

#ifndef MP_EMBED_WORKER_H
#define MP_EMBED_WORKER_H

#include "embed/job.h"
#include "lua.h"

/* The newborn of a run: forks the script's process and watches it. */
_Noreturn void mp_watch_run(lua_CFunction open);

/* The script's process, just forked from `watcher`: descriptors, limits, Lua
** state, script, answer, end. */
_Noreturn void mp_work_run(const struct mp_job *j, pid_t watcher,
                           lua_CFunction open);

/* Opens what a script may see, by the job's flags.  May raise. */
void mp_open_libraries(lua_State *L, const struct mp_job *j);

#endif
