--- tasks.lua: what a pool has to do
-- MIT licence, see LICENSE
--
-- A job is what one call submitted: some items for one function. It is open while items have no
-- result, and finished once; then its result object, its callbacks and its waiters are served.
-- Job 0 is where workers report that their initializer failed.

local errors = require "multiprocessing.errors"
local traceback = require "multiprocessing.traceback"

local M = {}

---@class multiprocessing.pool.Job
---@field id integer
---@field fn integer       the function's number in the core
---@field single boolean   a call; it has one item, and neither n nor done
---@field spread boolean   an item is a list of arguments
---@field chunk integer    items that travel together; 0: as the workers see fit
---@field timeout? number  seconds an item may run
---@field retries integer  how often an item may run again after its worker's death
---@field n? integer       items; nil while more may come
---@field done integer     items that have a result or an error
---@field results? table   by item; of a call: its results, packed, when there is not one
---@field value any        of a call: its one result
---@field errors? table    by item: {value, traceback, pid}, or a condition; nil: none
---@field failure any      why the job failed as a whole: wins over the items' errors
---@field finished boolean

local Tasks = {}
Tasks.__index = Tasks

--- The tasks of a pool.
---@param core userdata
function M.new(core)
  return setmetatable({
    core = core,
    jobs = {},       -- open ones, by id
    open = 0,        -- their number
    last_id = 0,
    number = 1,      -- of the next task in the pool's life
    timed = 0,       -- open jobs with a timeout
    progressing = {}, -- set of jobs whose progress is to be shown
    deliveries = {}, -- finished jobs whose callbacks are to be called
    delivered = 0,   -- finished jobs, ever
    counts = { done = 0, failed = 0, retried = 0, lost = 0 },
    deaths = 0,      -- in a row, without a finished task
  }, Tasks)
end

local function note_open(self, job)
  self.jobs[job.id] = job
  self.open = self.open + 1
  if job.timeout then self:note_timeout(job.timeout) end
  if job.callback or job.error_callback or job.progress or job.on_done then job.calls = true end
  return job
end

--- A timed job is open. `shortest` is at most the shortest timeout of those that are.
function Tasks:note_timeout(seconds)
  if self.timed == 0 or seconds < self.shortest then self.shortest = seconds end
  self.timed = self.timed + 1
end

--- A new job of several items; it is open when it returns.
---@param f function
---@param job table spread, chunk, timeout, retries, callback, error_callback, progress
---@return multiprocessing.pool.Job
function Tasks:open_job(f, job)
  job.fn = self.core:enter(f)
  self.last_id = self.last_id + 1
  job.id, job.done, job.results, job.finished = self.last_id, 0, {}, false
  job.chunk = job.chunk or 0
  return note_open(self, job)
end

--- The same for one call. This is the path of a round trip, hence one small table, which is the
--- caller's result object, too.
---@param f function
---@param o table timeout, retries, callback, error_callback
---@param pool multiprocessing.Pool
---@param class table metatable of the result
---@return multiprocessing.pool.Job
function Tasks:open_call(f, o, pool, class)
  local fn = self.core:enter(f)
  local id = self.last_id + 1
  self.last_id = id
  local job = setmetatable({ id = id, fn = fn, single = true, finished = false, value = nil,
    _pool = pool }, class)
  self.jobs[id] = job
  self.open = self.open + 1
  if next(o) then
    for k, v in pairs(o) do job[k] = v end
    if job.timeout then self:note_timeout(job.timeout) end
    job.calls = job.callback or job.error_callback
  end
  return job
end

--- Numbers for the next n tasks; the first of them.
function Tasks:take_numbers(n)
  local first = self.number
  self.number = first + n
  return first
end

local function drop_open(self, job)
  self.jobs[job.id] = nil
  self.open = self.open - 1
  if job.timeout then self.timed = self.timed - 1 end
  self.core:leave(job.fn)
end

--- Forgets a job that could not be submitted: it never was.
function Tasks:abandon(job)
  self.core:unstage()
  self.core:withdraw(job.id)
  if self.jobs[job.id] then drop_open(self, job) end
end

local function finish(self, job)
  job.finished = true
  drop_open(self, job)
  self.delivered = self.delivered + 1
  if job.calls then self.deliveries[#self.deliveries + 1] = job end
end

--- Ends a job as a whole; what it still had to do does not matter.
function Tasks:fail_job(job, failure)
  if job.finished then return end
  job.failure = failure
  self.progressing[job] = nil
  if job.progress then job.progress:finish() end
  finish(self, job)
end

--- No more items will come: n is their number.
function Tasks:seal(job, n)
  job.n = n
  if job.done == n and not job.finished then finish(self, job) end
end

local function count_results(self, job, first, count)
  local failed = 0
  if job.errors then
    for i = first, first + count - 1 do
      if job.errors[i] then failed = failed + 1 end
    end
  end
  self.counts.failed = self.counts.failed + failed
  self.counts.done = self.counts.done + count - failed
end

-- items first .. first+count-1 have their results
local function settle(self, job, first, count)
  job.done = (job.done or 0) + count
  count_results(self, job, first, count)
  if job.on_items then job.on_items(job, first, count) end
  if job.progress then self.progressing[job] = true end
  if job.done == (job.single and 1 or job.n) then finish(self, job) end
end

-- the path of a round trip: a call that has returned
local function finish_call(self, job)
  local counts = self.counts
  counts.done = counts.done + 1
  self.jobs[job.id] = nil
  self.open = self.open - 1
  self.core:leave(job.fn)
  self.delivered = self.delivered + 1
  job.finished = true
end

--- What the core calls when a worker has handed in results of a job's items.
---@return fun(job: multiprocessing.pool.Job, first: integer, count: integer)
function Tasks:receiver()
  return function(job, first, count)
    self.deaths = 0
    if job.single and not (job.errors or job.calls or job.timeout) then
      return finish_call(self, job)
    end
    if job.id == 0 then return job.report(job.errors[0].value) end
    settle(self, job, first, count)
  end
end

--- This item has failed, though no worker said so.
function Tasks:fail_item(job, item, failure)
  job.errors = job.errors or {}
  job.errors[item] = failure
  settle(self, job, item, 1)
end

-- errors ------------------------------------------------------------------------------------

-- the runner's own frames tell the user nothing
local function trim(text)
  if not text then return nil end
  local lines = {}
  for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
  while #lines > 1 and lines[#lines]:find("[C]: in", 1, true) do lines[#lines] = nil end
  for i = #lines, 1, -1 do
    if lines[i]:find("multiprocessing/pool/worker.lua", 1, true) then
      for k = #lines, i, -1 do lines[k] = nil end
    end
  end
  while #lines > 1 and lines[#lines]:find("[C]: in", 1, true) do lines[#lines] = nil end
  return table.concat(lines, "\n")
end

--- An error value in words, whatever it is.
local function describe(value)
  if errors.iserror(value) then return value.name .. ": " .. tostring(value.message) end
  local meta = getmetatable(value)
  local can_tell = type(value) ~= "table" or type(meta) == "table" and meta.__tostring
  local ok, text = pcall(tostring, value)
  return ok and can_tell and text or ("(error object is a %s value)"):format(type(value))
end
M.describe = describe

--- The condition that get() raises for an item.
function M.condition(e)
  if errors.iserror(e) then return e end
  return errors.new("RemoteError", describe(e.value),
    { value = e.value, traceback = trim(e.traceback), pid = e.pid })
end

--- The error of a finished job: the first in the items' order; nil: there is none.
function M.failure(job)
  if job.failure then return job.failure end
  if not job.errors then return nil end
  local first
  for item in pairs(job.errors) do
    if not first or item < first then first = item end
  end
  return first and M.condition(job.errors[first])
end

-- callbacks ---------------------------------------------------------------------------------

local function report(what, e)
  io.stderr:write(("Error in the %s of a pool:\n%s\n"):format(what, e))
end

--- Is that the error of Ctrl-C?
local function is_interrupt(e)
  return type(e) == "string" and e:find("interrupted!", 1, true)
end
M.is_interrupt = is_interrupt

local function with_traceback(e)
  if is_interrupt(e) then return { interrupt = e } end
  return { text = debug.traceback(type(e) == "string" and e or describe(e), 2) }
end

local function call_back(what, f, ...)
  local ok, e = xpcall(f, with_traceback, ...)
  if ok then return end
  if e.interrupt then error(e.interrupt, 0) end
  report(what, traceback.users_part(e.text))
end

--- Shows how far the jobs are. May raise `interrupted!` only.
function Tasks:show_progress()
  local job = next(self.progressing)
  while job do
    self.progressing[job] = nil
    call_back("progress function", job.progress.update, job.progress, job.done)
    job = next(self.progressing)
  end
end

local function deliver(job)
  if job.progress then job.progress:finish() end
  local failure = (job.callback or job.error_callback) and M.failure(job)
  if failure and job.error_callback then
    call_back("error_callback", job.error_callback, failure)
  elseif not failure and job.callback then
    call_back("callback", job.callback, M.values(job))
  end
  for _, f in ipairs(job.on_done or {}) do call_back("callback", f) end
end

--- Has f called when an open job has finished.
function Tasks:when_done(job, f)
  job.on_done, job.calls = job.on_done or {}, true
  table.insert(job.on_done, f)
end

--- Calls a callback now.
function Tasks:call_back(f)
  call_back("callback", f)
end

--- Calls what finished jobs are to call. May raise `interrupted!` only.
function Tasks:deliver()
  while self.deliveries[1] do
    local list = self.deliveries
    self.deliveries = {}
    for i, job in ipairs(list) do
      local ok, e = pcall(deliver, job)
      if not ok then
        table.move(list, i + 1, #list, #self.deliveries + 1, self.deliveries)
        error(e, 0)
      end
    end
  end
end

--- What get() returns for a job without errors.
function M.values(job)
  if job.single then
    local r = job.results
    if r then return table.unpack(r, 1, r.n) end
    return job.value
  end
  job.results.n = job.n
  return job.results
end

return M
