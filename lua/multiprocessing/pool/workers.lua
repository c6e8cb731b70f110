--- workers.lua: who does the work of a pool
-- MIT licence, see LICENSE
--
-- A pool has a fixed number of seats; each has at most one worker, a daemonic process. All are
-- started with the pool, so that they are copies of the program as it is then and an initializer
-- that fails is known soon. One that dies is replaced; what it left is sorted out here.
--
--    empty --start--> working --its end--> empty        doomed: we have killed it, and why

local errors = require "multiprocessing.errors"
local system = require "multiprocessing.core.system"
local worker = require "multiprocessing.pool.worker"

local M = {}

local DEATHS_MAX <const> = 20 -- in a row, without a finished task

local Workers = {}
Workers.__index = Workers

--- The seats of a pool, all empty.
---@param core userdata
---@param tasks table
---@param options table context, processes, name, memory_limit, initializer, initargs,
--- max_tasks, seed
function M.new(core, tasks, options)
  local self = setmetatable({
    core = core, tasks = tasks, options = options,
    seats = {}, alive = 0, active = true, missing = false,
    half = false, -- a seat whose worker is being started: not watched yet
  }, Workers)
  self.worker_options = {
    owner = system.getpid(), bell = core:bell(), seed = options.seed,
    initializer = options.initializer, initargs = options.initargs,
    max_tasks = options.max_tasks,
  }
  for i = 1, options.processes do -- with room for all that will be noted
    self.seats[i] = { index = i, process = false, fd = false, started = 0, doomed = false,
      whole = false }
  end
  return self
end

-- what a dead one leaves --------------------------------------------------------------------

local function cause(code)
  if code >= 0 then return ("with exit code %d"):format(code) end
  return ("by signal %d (%s)"):format(-code, system.signal_name(-code) or "?")
end

local function lost(seat, item, attempt)
  local pid, code = seat.process.pid, seat.process.exitcode
  return errors.new("WorkerLostError", ("the worker (pid %d) ended %s while it ran item %d "
    .. "(attempt %d)"):format(pid, cause(code), item, attempt),
    { pid = pid, exitcode = code, signal = code < 0 and -code or nil, item = item,
      attempt = attempt })
end

-- What becomes of the item that the dead worker ran: 1 when it has its result now, 0 when it is
-- to run again.
local function judge(self, seat, job, item)
  if seat.doomed then
    self.tasks:fail_item(job, item, seat.doomed)
    return 1
  end
  local counts = self.tasks.counts
  counts.lost = counts.lost + 1
  job.attempts = job.attempts or {}
  local attempt = (job.attempts[item] or 0) + 1
  job.attempts[item] = attempt
  if attempt <= (job.retries or 0) then
    counts.retried = counts.retried + 1
    return 0
  end
  self.tasks:fail_item(job, item, lost(seat, item, attempt))
  return 1
end

-- The dead worker's finished items are handed in, the rest goes back in line. What one began whose
-- start has failed runs again: nobody was ever told of that worker.
local function sort_out(self, seat)
  local id, item, left, ran = self.core:recover(seat.index)
  local job = id and self.tasks.jobs[id]
  local skip = 0
  if id and not job then
    skip = left -- of a job that nobody waits for any more
  elseif job and ran and seat.process then
    skip = judge(self, seat, job, item)
  end
  self.core:requeue(seat.index, skip)
end

-- starting ----------------------------------------------------------------------------------

--- Takes back a start that has failed half-way: the worker may have begun something.
function Workers:undo_half()
  local seat = self.half
  if seat.process then
    seat.process:kill()
    seat.process:join()
  end
  sort_out(self, seat)
  seat.process, self.half = false, false
end

function Workers:start(seat)
  local o = self.options
  local p = o.context.Process {
    target = worker.main, args = { self.core, seat.index, self.worker_options },
    daemon = true, memory_limit = o.memory_limit,
  }
  if o.name then p.name = ("%s-%d"):format(o.name, seat.index) end
  seat.doomed, self.half = false, seat
  p:start()
  seat.process = p
  seat.fd, seat.started = p.sentinel, system.now()
  self.core:watch(seat.index, seat.fd)
  self.alive, seat.whole, self.half = self.alive + 1, true, false
end

--- Starts a worker on each empty seat. Raises when one cannot be started.
function Workers:fill()
  for _, seat in ipairs(self.seats) do
    if self.half then self:undo_half() end
    if not seat.whole then self:start(seat) end
  end
end

-- the end of one ----------------------------------------------------------------------------

local function is_expected(self, seat)
  local _, leaving = self.core:seat(seat.index)
  return seat.doomed or leaving or seat.process.exitcode == 0 and not self.active
end

-- Nothing here takes memory: a seat is either vacated or it is not.
local function vacate(self, seat, deaths)
  self.core:unwatch(seat.fd)
  self.alive = self.alive - 1
  self.tasks.deaths = deaths
  self.missing = self.active
  seat.process, seat.whole = false, false
end

-- A closed pool needs a new worker only while there is something in line.
local function is_needed(self)
  return self.active and (not self.closed or self.core:pending() > 0)
end

--- Starts the workers that are missing, if they are needed. One that cannot be started is tried
--- again with the next submission, and before the pool waits for nobody.
function Workers:refill()
  if not is_needed(self) then return end
  local ok, e = pcall(self.fill, self)
  self.missing = not ok
  if self.half then self:undo_half() end
  if self.alive == 0 then self.on_broken("no worker can be started: " .. tostring(e)) end
end

-- Does it make sense to go on after this death?
local function reason_to_stop(deaths, ready, code)
  if not ready and code > 0 then
    return ("a worker ended %s before it was ready"):format(cause(code))
  elseif deaths >= DEATHS_MAX then
    return ("%d workers died in a row without a finished task, the last one %s"):format(
      DEATHS_MAX, cause(code))
  end
end

--- The worker of this seat has ended, says the kernel, and says so again until the seat is vacated:
--- so what raises for want of memory before that is simply done again.
function Workers:ended(index)
  local seat = self.seats[index]
  local p = seat.process
  if not seat.whole or p:is_alive() then return end
  local code = p.exitcode
  local ready = self.core:seat(index)
  local deaths = self.tasks.deaths + (is_expected(self, seat) and 0 or 1)
  local reason = self.active and reason_to_stop(deaths, ready, code)
  sort_out(self, seat)
  if reason then self.on_broken(reason) end
  vacate(self, seat, deaths)
  p:close()
  if self.active then self:refill() end
end

-- killing -----------------------------------------------------------------------------------

-- Kills the worker of a seat if it runs what `is_meant` says, and nothing else: condemned, it
-- begins no further item, so what it runs now is what it dies of.
local function kill_if(self, seat, is_meant, why)
  if not seat.process or seat.doomed then return false end
  self.core:condemn(seat.index, true)
  local id, item, since, timeout = self.core:running(seat.index)
  if id and is_meant(id, item, since, timeout) then
    seat.doomed = why
    seat.process:kill()
    return true
  end
  self.core:condemn(seat.index, false)
  return false
end

--- Kills the workers that are at this job.
function Workers:kill_job(job, why)
  local hit = false
  for _, seat in ipairs(self.seats) do
    hit = kill_if(self, seat, function(id) return id == job.id end, why) or hit
  end
  return hit
end

local function late_error(item, timeout, pid)
  return errors.new("TimeoutError", ("item %d ran longer than its timeout of %g s; its worker "
    .. "(pid %d) was killed"):format(item, timeout, pid), { item = item, pid = pid })
end

-- Kills the worker of a seat if its item is late; else tells when it would be.
local function check_seat(self, seat, now)
  local _, item, since, timeout = self.core:running(seat.index)
  if not item or timeout == 0 then return nil end
  if since + timeout > now then return since + timeout end
  kill_if(self, seat, function(_, i, began, limit)
    return i and limit > 0 and began + limit <= now
  end, late_error(item, timeout, seat.process.pid))
end

--- Kills the workers whose item has run too long.
---
--- An item that begins later than this look cannot be late before the shortest timeout has passed,
--- so nothing needs to be looked at before the moment that is returned.
---@return number? soonest seconds of mp.now; nil: no need
function Workers:check_timeouts()
  local tasks = self.tasks
  if tasks.timed == 0 then
    self.soonest = nil
    return nil
  end
  local now = system.now()
  if self.soonest and now < self.soonest and self.shortest == tasks.shortest then
    return self.soonest
  end
  local soonest = now + tasks.shortest
  for _, seat in ipairs(self.seats) do
    if seat.process and not seat.doomed then
      soonest = math.min(soonest, check_seat(self, seat, now) or soonest)
    end
  end
  self.soonest, self.shortest = soonest, tasks.shortest
  return soonest
end

--- Kills all workers; they are not replaced.
function Workers:stop()
  self.active = false
  self.core:set_state "stopped"
  for _, seat in ipairs(self.seats) do
    if seat.process then seat.process:kill() end
  end
end

--- No more work will come: workers leave when the line is empty.
function Workers:close()
  if self.closed then return end
  self.closed = true
  self.core:set_state "closed"
end

-- numbers -----------------------------------------------------------------------------------

--- {pid, tasks, busy, idle, memory} of each worker that runs.
function Workers:stats()
  local list = {}
  for _, seat in ipairs(self.seats) do
    if seat.process then
      local _, _, count, busy, memory = self.core:seat(seat.index)
      local life = system.now() - seat.started
      list[#list + 1] = { pid = seat.process.pid, tasks = count, busy = busy,
        idle = math.max(0, life - busy), memory = memory }
    end
  end
  return list
end

--- How many workers run a task now.
function Workers:busy()
  local n = 0
  for _, seat in ipairs(self.seats) do
    if seat.process and select(6, self.core:seat(seat.index)) then n = n + 1 end
  end
  return n
end

return M
