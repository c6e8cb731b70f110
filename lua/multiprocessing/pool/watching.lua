--- watching.lua: a pool in an event loop, and its numbers
-- MIT licence, see LICENSE
--
-- A loop of somebody else's watches the pool's descriptor and calls `poll`, which never waits then.

local errors = require "multiprocessing.errors"
local opts = require "multiprocessing.pool.options"
local system = require "multiprocessing.core.system"

local M = {}

--- Gives the class its methods; see ending.lua for the arguments.
function M.install(Pool, wait_until, or_stop)
  --- A descriptor that is readable while `poll` has something to do: for luv, cqueues, poll(2).
  ---
  ---     pool:apply_async(math.sqrt, { 16 }, { callback = print })
  ---     mp.wait({ pool:fileno() }, 60)
  ---     pool:poll(60)                             --> 4.0
  ---@return integer
  function Pool:fileno()
    Pool._check_owner(self, "fileno")
    if not self._core then errors.raise("ClosedError", "cannot watch this pool: it was joined") end
    self._watched = true
    self._core:rearm(self._workers:check_timeouts())
    return self._core:fileno()
  end

  --- Deals with what has come and calls callbacks; waits for the first of it.
  ---
  --- *Blocks* at most for the timeout. *Python*: not there, its pool has threads for this.
  ---
  ---     pool:apply_async(math.sqrt, { 16 })
  ---     print(pool:poll(60))                      --> 1
  ---@param timeout? number seconds, 0 by default
  ---@return integer delivered calls that have finished meanwhile
  function Pool:poll(timeout)
    Pool._check_owner(self, "poll")
    local deadline = opts.deadline(timeout or 0, 1, "poll", system.now, 2)
    local before = self._tasks.delivered
    if not self._core then return 0 end
    or_stop(self, pcall(wait_until, self, function(t)
      return t.delivered > before or t.open == 0
    end, self._tasks, deadline))
    if self._core and self._tasks.open == 0 then self:_look() end
    return self._tasks.delivered - before
  end

  --- What the pool has done, and its workers.
  ---
  ---     pool:map(math.sqrt, { 1, 4, 9 })
  ---     print(pool:stats().done, #pool:stats().workers)   --> 3 2
  ---@return table stats done, failed, retried, lost; workers: list of {pid, tasks, busy, idle
  --- (seconds), memory (bytes)}
  function Pool:stats()
    if self._core then self:_look() end
    local counts = self._tasks.counts
    return { done = counts.done, failed = counts.failed, retried = counts.retried,
      lost = counts.lost, workers = self._core and self._workers:stats() or {} }
  end
end

return M
