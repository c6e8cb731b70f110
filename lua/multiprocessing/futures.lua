--- futures.lua: concurrent.futures over a pool
-- MIT licence, see LICENSE
--
-- A future is a pool's call seen through Python's other interface. Futures of several executors
-- can be waited for together.

local errors = require "multiprocessing.errors"
local opts = require "multiprocessing.pool.options"
local system = require "multiprocessing.core.system"
local tasks = require "multiprocessing.pool.tasks"

local M = {}

-- futures -------------------------------------------------------------------------------------

---@class multiprocessing.Future
local Future = {}
Future.__index = Future
Future.__name = "multiprocessing.Future"

local function new_future(pool, result)
  return setmetatable({ _pool = pool, _result = result, _job = result }, Future)
end

--- What the function returned, all of it.
---
--- *Blocks* until it is there. *Raises* `TimeoutError`, `CancelledError`, what the task raised
--- (`RemoteError`), `WorkerLostError`, `BrokenPoolError`.
---@param timeout? number seconds; nil waits for ever
function Future:result(timeout)
  return self._result:get(timeout)
end

--- The error that the call ended with, or nil.
---
--- *Blocks* until it has ended. *Raises* `TimeoutError`, `CancelledError`.
---@param timeout? number seconds; nil waits for ever
---@return multiprocessing.Error?
function Future:exception(timeout)
  if not self._result:wait(timeout) then
    errors.raise("TimeoutError", ("no result within %g s"):format(timeout))
  end
  local failure = tasks.failure(self._job)
  if self._cancelled then error(failure, 0) end
  return failure
end

--- Has the call ended, or was it cancelled?
---@return boolean
function Future:done()
  return self._result:ready()
end

--- Is a worker at it?
---@return boolean
function Future:running()
  return not self:done() and self._pool:_is_running(self._job)
end

---@return boolean
function Future:cancelled()
  return self._cancelled or false
end

--- Takes the call back, if no worker has begun it.
---@return boolean effect
function Future:cancel()
  if self._cancelled then return true end
  if self:done() then return false end
  self._cancelled = self._pool:_withdraw(self._job)
  return self._cancelled
end

--- Has f called with this future when it is done; at once when it is.
---
--- f runs in this process, while it waits in a call of the executor, its futures or
--- `futures.wait`; if it raises, that is reported on stderr.
---@param f function
function Future:add_done_callback(f)
  opts.check_function(f, 1, "add_done_callback", 2)
  if not self._job.finished then self:done() end
  self._pool:_when_done(self._job, function() f(self) end)
end

-- for mp.wait
function Future:_is_ready() return self:done() end
function Future:_wait_handle() return self._pool:fileno() end

-- the executor --------------------------------------------------------------------------------

---@class multiprocessing.ProcessPoolExecutor
local Executor = {}
Executor.__index = Executor
Executor.__name = "multiprocessing.ProcessPoolExecutor"

local KNOWN <const> = { max_workers = true, initializer = true, initargs = true,
  max_tasks_per_child = true }

--- Has a worker call f with the arguments.
---
---     local future = executor:submit(math.sqrt, 2)
---     print(future:result())
---@param f function
---@return multiprocessing.Future
function Executor:submit(f, ...)
  opts.check_function(f, 1, "submit", 2)
  return new_future(self._pool, self._pool:apply_async(f, table.pack(...)))
end

local function zip(lists)
  local shortest = math.huge
  for i, list in ipairs(lists) do
    if type(list) ~= "table" then
      opts.fail(3, "bad argument #%d to 'map' (list expected, got %s)", i + 1, type(list))
    end
    shortest = math.min(shortest, list.n or #list)
  end
  local calls = {}
  for i = 1, #lists == 0 and 0 or shortest do
    local args = { n = #lists }
    for k, list in ipairs(lists) do args[k] = list[i] end
    calls[i] = args
  end
  return calls
end

--- Calls f with the first items of all lists, the second ones and so on, as far as the shortest
--- goes; gives the results in order.
---
---     for i, r in executor:map(math.max, {1, 5}, {4, 2}) do print(i, r) end
---@param f function
---@param ... any[] lists
---@return multiprocessing.PoolIterator
function Executor:map(f, ...)
  opts.check_function(f, 1, "map", 2)
  return self._pool:_istarmap(f, zip { ... })
end

--- Takes no more work.
---
--- *Blocks* until all is done, when `wait`.
---@param wait? boolean true by default
---@param cancel_futures? boolean what no worker has begun is cancelled
function Executor:shutdown(wait, cancel_futures)
  if cancel_futures then self._pool:_withdraw_all() end
  self._pool:close()
  if wait ~= false then self._pool:join() end
end

function Executor:__close()
  self:shutdown()
end

function M.bind(context)
  --- A pool with the interface of Python's concurrent.futures.
  ---
  --- *Raises* `ProcessError` when the workers cannot be started.
  ---
  ---     local executor <close> = mp.ProcessPoolExecutor{ max_workers = 4 }
  ---     print(executor:submit(string.upper, "done"):result())
  ---@param options? table `max_workers` (cpu_count), `initializer`, `initargs`,
  --- `max_tasks_per_child`
  ---@return multiprocessing.ProcessPoolExecutor
  return function(options)
    if type(options) == "number" then options = { max_workers = options } end
    options = options or {}
    opts.check_names(options, KNOWN, "ProcessPoolExecutor", 2)
    local n = opts.check_integer(options, "max_workers", 1, "ProcessPoolExecutor", 2)
    local pool = context.Pool { processes = n, initializer = options.initializer,
      initargs = options.initargs, maxtasksperchild = options.max_tasks_per_child }
    return setmetatable({ _pool = pool }, Executor)
  end
end

-- several futures -----------------------------------------------------------------------------

local function check_futures(list, call)
  if type(list) ~= "table" then
    opts.fail(3, "bad argument #1 to '%s' (list of futures expected, got %s)", call, type(list))
  end
  for i, f in ipairs(list) do
    if getmetatable(f) ~= Future then
      opts.fail(3, "bad argument #1 to '%s' (item %d is not a future)", call, i)
    end
  end
end

-- the pool that all of them belong to, or nil
local function only_pool(list)
  local pool = list[1] and list[1]._pool
  for _, f in ipairs(list) do
    if f._pool ~= pool then return nil end
  end
  return pool
end

-- Waits until is_true(list); each round lets every pool do its work.
local function wait_for(list, is_true, deadline)
  local pool = only_pool(list)
  if pool then return pool:_wait(is_true, list, deadline) end
  while not is_true(list) do
    if deadline and system.now() >= deadline then return false end
    local open = {}
    for _, f in ipairs(list) do
      if not f:done() then open[#open + 1] = f._pool:fileno() end
    end
    if is_true(list) then break end
    require("multiprocessing.wait").wait(open,
      deadline and math.max(0, deadline - system.now()))
  end
  return true
end

local function all_done(list)
  for _, f in ipairs(list) do
    if not f._job.finished then return false end
  end
  return true
end

local function any_done(list)
  for _, f in ipairs(list) do
    if f._job.finished then return true end
  end
  return #list == 0
end

local function all_done_or_failed(list)
  for _, f in ipairs(list) do
    local job = f._job
    if job.finished and (job.errors or job.failure) and not f._cancelled then return true end
  end
  return all_done(list)
end

local UNTIL <const> = { ALL_COMPLETED = all_done, FIRST_COMPLETED = any_done,
  FIRST_EXCEPTION = all_done_or_failed }

--- Waits for several futures.
---
--- *Blocks* until then or until the timeout. *Python*: returns two lists, in the order given.
---@param list multiprocessing.Future[]
---@param timeout? number seconds; nil waits for ever
---@param return_when? string "ALL_COMPLETED" (default), "FIRST_COMPLETED", "FIRST_EXCEPTION"
---@return multiprocessing.Future[] done
---@return multiprocessing.Future[] not_done
function M.wait(list, timeout, return_when)
  check_futures(list, "wait")
  local is_true = UNTIL[return_when or "ALL_COMPLETED"]
  if not is_true then
    error(("bad argument #3 to 'wait' (unknown condition '%s')"):format(tostring(return_when)), 2)
  end
  wait_for(list, is_true, opts.deadline(timeout, 2, "wait", system.now, 2))
  local done, not_done = {}, {}
  for _, f in ipairs(list) do
    local to = f._job.finished and done or not_done
    to[#to + 1] = f
  end
  return done, not_done
end

--- Gives the futures as they are done.
---
--- *Blocks* (the loop) until the next one is. *Raises* `TimeoutError`.
---
---     for future in mp.futures.as_completed(list) do print(future:result()) end
---@param list multiprocessing.Future[]
---@param timeout? number seconds from now; nil waits for ever
---@return function iterator
function M.as_completed(list, timeout)
  check_futures(list, "as_completed")
  local deadline = opts.deadline(timeout, 2, "as_completed", system.now, 2)
  local open = table.move(list, 1, #list, 1, {})
  return function()
    if #open == 0 then return nil end
    if not wait_for(open, any_done, deadline) then
      errors.raise("TimeoutError", ("%d of %d futures are not done within %g s"):format(#open,
        #list, timeout))
    end
    for i, f in ipairs(open) do
      if f._job.finished then return table.remove(open, i) end
    end
  end
end

return M
