--- futures.lua: concurrent.futures over a pool
-- MIT licence, see LICENSE
--
-- A future is a pool's call seen through Python's other interface. Futures of several executors
-- can be waited for together.

local errors = require "multiprocessing.errors"
local named = require "multiprocessing.options"
local opts = require "multiprocessing.pool.options"
local system = require "multiprocessing.core.system"
local tasks = require "multiprocessing.pool.tasks"

local M = {}

-- futures -------------------------------------------------------------------------------------

--- A call that an executor's worker does, did, or will do. Stands in `mp.wait`, too.
---
---     local executor <close> = mp.ProcessPoolExecutor{ max_workers = 2 }
---     local future = executor:submit(math.sqrt, 16)
---@class multiprocessing.Future
local Future = {}
Future.__index = Future
Future.__name = "multiprocessing.Future"

local function check(self, method)
  named.check_self(self, Future.__name, method, 1)
end

local function new_future(pool, result)
  return setmetatable({ _pool = pool, _result = result, _job = result }, Future)
end

--- What the function returned, all of it.
---
--- *Blocks* until it is there. *Raises* `TimeoutError`, `CancelledError`, what the task raised
--- (`RemoteError`), `WorkerLostError`, `BrokenPoolError`. *Python*: `Future.result`.
---
---     print(future:result(60))                  --> 4.0
---@param timeout? number seconds; nil waits for ever
---@return any ...
function Future:result(timeout)
  check(self, "result")
  opts.deadline(timeout, 1, "result", system.now, 2)
  return self._result:get(timeout)
end

--- The error that the call ended with, or nil.
---
--- *Blocks* until it has ended. *Raises* `TimeoutError`, `CancelledError`.
---
---     local wrong = executor:submit(error, "no luck")
---     print(wrong:exception().name)             --> RemoteError
---@param timeout? number seconds; nil waits for ever
---@return multiprocessing.Error?
function Future:exception(timeout)
  check(self, "exception")
  opts.deadline(timeout, 1, "exception", system.now, 2)
  if not self._result:wait(timeout) then
    errors.raise("TimeoutError", ("no result within %g s"):format(timeout))
  end
  local failure = tasks.failure(self._job)
  if self._job.withdrawn then error(failure, 0) end
  return failure
end

--- Has the call ended, or was it cancelled?
---
---     future:result()
---     print(future:done())                      --> true
---@return boolean
function Future:done()
  check(self, "done")
  return self._result:ready()
end

--- Is a worker at it?
---
---     future:result()
---     print(future:running())                   --> false
---@return boolean
function Future:running()
  check(self, "running")
  return not self:done() and self._pool:_is_running(self._job)
end

--- Did `cancel`, or the executor's `shutdown`, take the call back?
---
---     print(future:cancelled())                 --> false
---@return boolean
function Future:cancelled()
  check(self, "cancelled")
  return self._job.withdrawn or false
end

--- Takes the call back, if no worker has begun it.
---
---     local one <close> = mp.ProcessPoolExecutor{ max_workers = 1 }
---     one:submit(mp.sleep, 0.2)
---     local waiting = one:submit(print, "never")
---     print(waiting:cancel(), waiting:cancelled())   --> true true
---@return boolean effect false when it runs, or has ended
function Future:cancel()
  check(self, "cancel")
  if self._job.withdrawn then return true end
  if self:done() then return false end
  return self._pool:_withdraw(self._job)
end

--- Has f called with this future when it is done; at once when it is.
---
--- f runs in this process, while it waits in a call of the executor, its futures or
--- `futures.wait`; if it raises, that is reported on stderr.
---
---     future:add_done_callback(function(done) print(done:result()) end)
---     future:result()                           --> 4.0
---@param f fun(future: multiprocessing.Future)
function Future:add_done_callback(f)
  check(self, "add_done_callback")
  opts.check_function(f, 1, "add_done_callback", 2)
  if not self._job.finished then self:done() end
  self._pool:_when_done(self._job, function() f(self) end)
end

-- for mp.wait
function Future:_is_ready() return self:done() end
function Future:_wait_handle() return self._pool:fileno() end

-- the executor --------------------------------------------------------------------------------

--- What `mp.ProcessPoolExecutor` makes. `<close>` is `shutdown()`.
---
---     local executor <close> = mp.ProcessPoolExecutor{ max_workers = 2 }
---@class multiprocessing.ProcessPoolExecutor
local Executor = {}
Executor.__index = Executor
Executor.__name = "multiprocessing.ProcessPoolExecutor"

local KNOWN <const> = { max_workers = true, initializer = true, initargs = true,
  max_tasks_per_child = true }

--- Has a worker call f with the arguments.
---
--- *Raises* `SerializationError`, `ClosedError`. *Python*: `Executor.submit`.
---
---     local future = executor:submit(string.rep, "ab", 3)
---     print(future:result())                    --> ababab
---@param f function
---@param ... any its arguments
---@return multiprocessing.Future
function Executor:submit(f, ...)
  named.check_self(self, Executor.__name, "submit")
  opts.check_function(f, 1, "submit", 2)
  if self._shut then
    errors.raise("ClosedError", "cannot submit: this executor was shut down")
  end
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
--- *Blocks* (the loop) until the next result is there. *Raises* a call's error at its turn.
--- *Python*: `Executor.map`; gives the index, too, so that a nil result does not end the loop.
---
---     for i, r in executor:map(math.max, {1, 5}, {4, 2}) do print(i, r) end
---     --> 1 4
---     --> 2 5
---@param f function
---@param ... any[] lists
---@return multiprocessing.PoolIterator
function Executor:map(f, ...)
  named.check_self(self, Executor.__name, "map")
  opts.check_function(f, 1, "map", 2)
  if select("#", ...) == 0 then
    opts.fail(2, "bad argument #2 to 'map' (list expected, got no value)")
  end
  return self._pool:_istarmap(f, zip { ... })
end

--- Takes no more work.
---
--- *Blocks* until all is done, when `wait`.
---
---     executor:shutdown()
---     local _, e = pcall(executor.submit, executor, print)
---     print(e.name)                             --> ClosedError
---@param wait? boolean true by default
---@param cancel_futures? boolean what no worker has begun is cancelled
function Executor:shutdown(wait, cancel_futures)
  named.check_self(self, Executor.__name, "shutdown")
  self._shut = true
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
  ---     local executor <close> = mp.ProcessPoolExecutor{ max_workers = 2 }
  ---     print(executor:submit(string.upper, "done"):result())   --> DONE
  ---@function mp.ProcessPoolExecutor
  ---@param options? table `max_workers` (cpu_count), `initializer` function that each worker calls
  --- first, `initargs` list, `max_tasks_per_child`
  ---@return multiprocessing.ProcessPoolExecutor
  return function(options)
    if type(options) == "number" then options = { max_workers = options } end
    options = options or {}
    if type(options) ~= "table" then
      opts.fail(2, "bad argument #1 to 'ProcessPoolExecutor' (table of options expected, got %s)",
        type(options))
    end
    opts.check_names(options, KNOWN, "ProcessPoolExecutor", 2)
    local n = opts.check_integer(options, "max_workers", 1, "ProcessPoolExecutor", 2)
    opts.check_integer(options, "max_tasks_per_child", 1, "ProcessPoolExecutor", 2)
    opts.check_type(options, "initializer", "function", "ProcessPoolExecutor", 2)
    opts.check_type(options, "initargs", "table", "ProcessPoolExecutor", 2)
    local pool = context.Pool { processes = n, initializer = options.initializer,
      initargs = options.initargs, maxtasksperchild = options.max_tasks_per_child }
    return setmetatable({ _pool = pool }, Executor)
  end
end

-- several futures -----------------------------------------------------------------------------

-- The futures of a list, each once.
local function check_futures(list, call)
  if type(list) ~= "table" then
    opts.fail(3, "bad argument #1 to '%s' (list of futures expected, got %s)", call, type(list))
  end
  local each, seen = {}, {}
  for i, f in ipairs(list) do
    if getmetatable(f) ~= Future then
      opts.fail(3, "bad argument #1 to '%s' (item %d is not a future)", call, i)
    end
    if not seen[f] then each[#each + 1] = f end
    seen[f] = true
  end
  return each
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
    if job.finished and (job.errors or job.failure) and not job.withdrawn then return true end
  end
  return all_done(list)
end

-- What `wait` may wait for; names in mp.futures.
M.CONDITIONS = { ALL_COMPLETED = "ALL_COMPLETED", FIRST_COMPLETED = "FIRST_COMPLETED",
  FIRST_EXCEPTION = "FIRST_EXCEPTION" }

local UNTIL <const> = { ALL_COMPLETED = all_done, FIRST_COMPLETED = any_done,
  FIRST_EXCEPTION = all_done_or_failed }

--- Waits for several futures.
---
--- *Blocks* until then or until the timeout. *Python*: `concurrent.futures.wait`; two lists here,
--- in the order given, each future once.
---
---     local executor <close> = mp.ProcessPoolExecutor{ max_workers = 2 }
---     local list = { executor:submit(math.sqrt, 4), executor:submit(math.sqrt, 9) }
---     local done, not_done = mp.futures.wait(list, 60)
---     print(#done, #not_done)                   --> 2 0
---@function mp.futures.wait
---@param list multiprocessing.Future[]
---@param timeout? number seconds; nil waits for ever
---@param return_when? "ALL_COMPLETED"|"FIRST_COMPLETED"|"FIRST_EXCEPTION" default the first; the
--- strings stand in `mp.futures`, too
---@return multiprocessing.Future[] done
---@return multiprocessing.Future[] not_done
function M.wait(list, timeout, return_when)
  list = check_futures(list, "wait")
  local is_true = UNTIL[return_when or "ALL_COMPLETED"]
  if not is_true then
    error(("bad argument #3 to 'wait' (unknown condition '%s'%s)"):format(tostring(return_when),
      named.there_are(UNTIL)), 2)
  end
  wait_for(list, is_true, opts.deadline(timeout, 2, "wait", system.now, 2))
  local done, not_done = {}, {}
  for _, f in ipairs(list) do
    local to = f._job.finished and done or not_done
    to[#to + 1] = f
  end
  return done, not_done
end

--- Gives the futures as they are done, each once.
---
--- *Blocks* (the loop) until the next one is. *Raises* `TimeoutError`.
--- *Python*: `concurrent.futures.as_completed`.
---
---     local executor <close> = mp.ProcessPoolExecutor{ max_workers = 2 }
---     local list = { executor:submit(math.sqrt, 4), executor:submit(math.sqrt, 9) }
---     local sum = 0
---     for future in mp.futures.as_completed(list, 60) do sum = sum + future:result() end
---     print(sum)                                --> 5.0
---@function mp.futures.as_completed
---@param list multiprocessing.Future[]
---@param timeout? number seconds from now; nil waits for ever
---@return fun(): multiprocessing.Future?
function M.as_completed(list, timeout)
  list = check_futures(list, "as_completed")
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
