--- ending.lua: how a pool ends
-- MIT licence, see LICENSE
--
-- By close and join, by terminate, because its workers cannot be kept alive, or because nobody has
-- it any more. After join its shared memory and its descriptors are given back.

local errors = require "multiprocessing.errors"
local opts = require "multiprocessing.pool.options"
local system = require "multiprocessing.core.system"

local M = {}

--- Gives the class its methods.
---@param Pool table
---@param wait_until function (pool, is_true, subject, deadline) -> boolean
---@param or_stop function (pool, pcall's results) -> results; ends the pool after Ctrl-C
function M.install(Pool, wait_until, or_stop)
  --- What is open fails; done again by whoever waits, if memory was short.
  function Pool:_fail_open()
    for id, job in pairs(self._tasks.jobs) do
      if id ~= 0 then self._tasks:fail_job(job, self._failure) end
    end
  end

  local function stop(self, state, failure)
    self._state, self._failure = state, failure
    self._workers:stop()
    self:_fail_open()
  end

  function Pool:_stop(failure)
    stop(self, "terminated", failure)
  end

  function Pool:_break(reason)
    if self._state == "broken" then return end
    stop(self, "broken", errors.new("BrokenPoolError", "the pool cannot work: " .. reason))
  end

  --- A closed pool's workers leave when its line is empty; not before every imap has drawn all.
  function Pool:_let_workers_go()
    for _, job in pairs(self._tasks.jobs) do
      if job.iterator and job.n == nil then return end
    end
    self._workers:close()
  end

  --- Takes no more work; what was submitted is finished.
  ---
  ---     pool:close()
  ---     local _, e = pcall(pool.map, pool, math.sqrt, { 1 })
  ---     print(e)                                --> ClosedError: cannot map: the pool is closed
  function Pool:close()
    Pool._check_owner(self, "close")
    if self._state ~= "open" then return end
    self._state, self._closing = "closed", true
    self:_let_workers_go()
  end

  --- Ends at once: kills the workers; what is not finished raises `CancelledError`.
  ---
  ---     local r = pool:apply_async(mp.sleep, { 60 })
  ---     pool:terminate()
  ---     local _, e = pcall(r.get, r)
  ---     print(e.name)                           --> CancelledError
  function Pool:terminate()
    Pool._check_owner(self, "terminate")
    if not self._core or self._state == "terminated" then return end
    self:_stop(errors.new("CancelledError", "the pool was terminated"))
  end

  local function is_over(self)
    return self._workers.alive == 0 and self._tasks.open == 0
  end

  -- gives back the shared memory and the descriptors
  local function release(self)
    self._core:close()
    self._core = nil
  end

  local function draw_all(self)
    for _, job in pairs(self._tasks.jobs) do
      if job.iterator then job.iterator:_feed(true) end
    end
  end

  local function join(self, deadline)
    if self._state == "closed" then draw_all(self) end
    self:_let_workers_go()
    if not wait_until(self, is_over, self, deadline) then return false end
    self._core:collect(self._tasks.jobs, self._arrived)
    self._tasks:deliver()
    release(self)
    return true
  end

  --- Waits until the workers have ended; after close or terminate only.
  ---
  --- *Blocks* until then or until the timeout. *Python*: has no timeout.
  ---
  ---     pool:close()
  ---     print(pool:join(60))                    --> true
  ---@param timeout? number seconds; nil waits for ever
  ---@return boolean ended false on timeout
  function Pool:join(timeout)
    Pool._check_owner(self, "join")
    local deadline = opts.deadline(timeout, 1, "join", system.now, 2)
    if self._state == "open" then error("cannot join a pool that is open: close it first", 2) end
    if not self._core then return true end
    return or_stop(self, pcall(join, self, deadline))
  end

  --- Finishes what was submitted and joins; after an error it terminates.
  function Pool:__close(failure)
    if self._owner ~= system.getpid() or not self._core then return end
    if failure ~= nil then self:terminate() else self:close() end
    self:join()
  end

  --- Nobody has the pool any more.
  function Pool:__gc()
    if self._owner ~= system.getpid() or not self._core then return end
    self._workers:stop()
    for _, seat in ipairs(self._workers.seats) do
      local p = seat.process
      if p and pcall(p.join, p, 1) then pcall(p.close, p) end
    end
    release(self)
  end
end

return M
