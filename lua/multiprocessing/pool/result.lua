--- result.lua: what a caller holds of submitted work
-- MIT licence, see LICENSE
--
-- AsyncResult for a job whose items are known, Results for an imap. Both wait through the pool,
-- which does all its work meanwhile.

local errors = require "multiprocessing.errors"
local opts = require "multiprocessing.pool.options"
local system = require "multiprocessing.core.system"
local tasks = require "multiprocessing.pool.tasks"

local M = {}

-- A job is its own result object: it has this metatable and knows its pool.

--- A call that was submitted. Stands in `mp.wait`, too.
---
---     local pool <close> = mp.Pool(2)
---     local r = pool:apply_async(math.sqrt, { 16 })
---@class multiprocessing.AsyncResult
local AsyncResult = {}
AsyncResult.__index = AsyncResult
AsyncResult.__name = "multiprocessing.AsyncResult"
M.AsyncResult = AsyncResult

--- Makes a job of several items the caller's result.
function M.new_async(pool, job)
  job._pool = pool
  return setmetatable(job, AsyncResult)
end

local function is_finished(job)
  return job.finished
end

local function check(self, method)
  if getmetatable(self) == AsyncResult then return end
  opts.fail(3, "bad argument #1 to '%s' (asynchronous result expected; call it with a colon)",
    method)
end

--- Has the call finished, with a result or with an error? Never blocks.
---
---     r:wait()
---     print(r:ready())                          --> true
---@return boolean
function AsyncResult:ready()
  check(self, "ready")
  if not self.finished then self._pool:_look() end
  return self.finished
end

--- Waits until the call has finished.
---
--- *Blocks* until then or until the timeout. *Python*: returns nothing there.
---
---     print(r:wait(60))                         --> true
---@param timeout? number seconds; nil waits for ever
---@return boolean finished false on timeout
function AsyncResult:wait(timeout)
  check(self, "wait")
  local deadline = opts.deadline(timeout, 1, "wait", system.now, 2)
  return self.finished or self._pool:_wait(is_finished, self, deadline)
end

--- Was the call finished without an error? *Raises* before it is ready.
---
---     r:wait()
---     print(r:successful())                     --> true
---@return boolean
function AsyncResult:successful()
  check(self, "successful")
  if not self:ready() then error("this result is not ready: wait for it first", 2) end
  return tasks.failure(self) == nil
end

--- The result: what the function returned, all of it; of a map, the list.
---
--- *Blocks* until it is there. *Raises* `TimeoutError`; what the task raised, as `RemoteError`;
--- `WorkerLostError`, `CancelledError`, `BrokenPoolError`.
---
---     print(r:get(60))                          --> 4.0
---@param timeout? number seconds; nil waits for ever
---@return any ...
function AsyncResult:get(timeout)
  check(self, "get")
  local deadline = opts.deadline(timeout, 1, "get", system.now, 2)
  if not self.finished and not self._pool:_wait(is_finished, self, deadline) then
    errors.raise("TimeoutError", ("no result within %g s"):format(timeout))
  end
  if self.errors or self.failure then error(tasks.failure(self), 0) end
  return tasks.values(self)
end

--- Gives the call up: what no worker has begun never runs, what one runs is killed with it; of a
--- map, all that is left. `get` then raises `CancelledError`.
---
--- *Python*: not there (a future's `cancel` leaves a running call alone).
---
---     local long = pool:apply_async(mp.sleep, { 60 })
---     print(long:cancel())                      --> true
---@return boolean effect false when it had finished
function AsyncResult:cancel()
  check(self, "cancel")
  if self:ready() then return false end
  self._pool:_cancel(self)
  return true
end

-- for mp.wait
function AsyncResult:_is_ready() return self:ready() end
function AsyncResult:_wait_handle() return self._pool:fileno() end

-- imap --------------------------------------------------------------------------------------

--- What `imap` gives: call it, as a loop does, or its method `next`. Leaving the loop, or
--- `<close>`, gives up the rest.
---
---     local pool <close> = mp.Pool(2)
---     local it = pool:imap(math.sqrt, { 1, 4 })
---@class multiprocessing.PoolIterator
local Results = {}
Results.__index = Results
Results.__name = "multiprocessing.PoolIterator"

--- source: a function -> next item or nil; or {list =, count =}.
function M.new_results(pool, job, source, ordered)
  local self = setmetatable({
    _pool = pool, _job = job, _source = source, _ordered = ordered,
    _buffer = {},  -- items that a function gave, and not submitted yet
    _drawn = 0,    -- items drawn
    _sent = 0,     -- items submitted
    _taken = 0,    -- results given to the caller
    _done = {},    -- ordered: set of items; unordered: list of items in order of arrival
    _arrived = 0,
  }, Results)
  function job.on_items(_, first, count)
    for i = first, first + count - 1 do
      self._arrived = self._arrived + 1
      if ordered then self._done[i] = i else self._done[self._arrived] = i end
    end
  end
  job.iterator = self
  return self
end

-- draws items until `last` is drawn or there are no more
local function draw(self, last)
  local source = self._source
  if type(source) == "table" then
    self._drawn = math.min(last, source.count)
    self._exhausted = self._drawn == source.count
    return
  end
  while self._drawn < last do
    local ok, item = pcall(source)
    if not ok and tasks.is_interrupt(item) then self._pool:_interrupted(item) end
    if not ok then self._source_error = { item } end -- may be nil
    if not ok or item == nil then
      self._exhausted = true
      return
    end
    self._drawn = self._drawn + 1
    self._buffer[self._drawn] = item
  end
end

-- An item that cannot be sent has its error at once; the others of its chunk are sent.
local function send_singly(self, items, from, to)
  local pool, job = self._pool, self._job
  for i = from, to do
    local ok, e = pcall(pool._put, pool, job, items, i, i)
    if not ok and tasks.is_interrupt(e) then pool:_interrupted(e) end
    if not ok then pool._tasks:fail_item(job, i, e) end
  end
end

-- what is drawn goes off, in whole chunks as long as there may be more
local function send(self)
  local from, to, chunk = self._sent + 1, self._drawn, self._job.chunk
  if not self._exhausted then to = to - (to - self._sent) % chunk end
  if from > to then return end
  local items = type(self._source) == "table" and self._source.list or self._buffer
  self._sent = to
  local ok, e = pcall(self._pool._put, self._pool, self._job, items, from, to)
  if not ok then
    if tasks.is_interrupt(e) then self._pool:_interrupted(e) end
    send_singly(self, items, from, to)
  end
  if items == self._buffer then
    self._buffer = to < self._drawn
      and table.move(items, to + 1, self._drawn, to + 1, {}) or {}
  end
end

--- Draws items and submits them, as many ahead as the window allows; the window is filled again
--- when half of it is taken, for several items are cheaper together.
---@param everything? boolean all of them
function Results:_feed(everything)
  local job = self._job
  if self._exhausted or job.finished then return end
  local window = everything and math.maxinteger or 4 * self._pool:_width() * job.chunk
  if not everything and self._drawn - self._taken > window // 2 then return end
  draw(self, everything and window or self._taken + window)
  send(self)
  if self._exhausted then self._pool._tasks:seal(job, self._drawn) end
end

local function has_next(self)
  if self._job.failure or self._exhausted and self._taken >= self._drawn then return true end
  return self._done[self._taken + 1] ~= nil
end

-- the next result leaves the tables, so that an endless source takes no more and more memory
local function take(self)
  local job = self._job
  self._taken = self._taken + 1
  local i = self._done[self._taken]
  self._done[self._taken] = nil
  local value, e = job.results[i], job.errors and job.errors[i]
  job.results[i] = nil
  if e then
    job.errors[i] = nil
    error(tasks.condition(e), 0)
  end
  return i, value
end

--- The next item's number and result; nothing at the end.
---
--- *Blocks* until it is there. *Raises* the item's error (the next call goes on behind it);
--- `TimeoutError`. *Python*: `next()` gives the result alone.
---
---     print(it:next(60))                        --> 1 1.0
---     print(it:next(60))                        --> 2 2.0
---     print(select("#", it:next(60)))           --> 0
---@param timeout? number seconds; nil waits for ever
---@return integer? item
---@return any result
function Results:next(timeout)
  local deadline = timeout and opts.deadline(timeout, 1, "next", system.now, 2)
  if self._closed then return end
  self:_feed()
  if not has_next(self) and not self._pool:_wait(has_next, self, deadline) then
    errors.raise("TimeoutError", ("no result within %g s"):format(timeout))
  end
  if self._done[self._taken + 1] then return take(self) end
  if self._job.failure then error(self._job.failure, 0) end
  local failed = self._source_error
  self._source_error = nil
  if failed then error(failed[1], 0) end
end

function Results:__call()
  return self:next()
end

--- Gives up what is left: items in line never run.
---
---     it:close()
---     print(select("#", it:next(60)))           --> 0
function Results:close()
  if self._closed then return end
  self._closed = true
  if not self._job.finished then self._pool:_drop(self._job) end
end

Results.__close = Results.close

return M
