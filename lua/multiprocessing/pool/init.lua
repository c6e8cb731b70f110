--- init.lua: the pool as its user sees it, and what it decides
-- MIT licence, see LICENSE
--
-- tasks.lua knows what is to be done, workers.lua who does it; here it is decided what to wait
-- for. There is one place where a pool waits (`step`): for results, for the end of a worker, for
-- a deadline; what comes is dealt with there, whoever waits for whatever.
--
--    open --close--> closed --join--> joined
--      \                \--terminate--> terminated --join--> joined
--       \--(workers cannot be kept alive)--> broken

local core = require "multiprocessing.core.pool"
local ending = require "multiprocessing.pool.ending"
local errors = require "multiprocessing.errors"
local inline = require "multiprocessing.pool.inline"
local opts = require "multiprocessing.pool.options"
local progress = require "multiprocessing.progress"
local results = require "multiprocessing.pool.result"
local system = require "multiprocessing.core.system"
local tasks = require "multiprocessing.pool.tasks"
local watching = require "multiprocessing.pool.watching"
local workers = require "multiprocessing.pool.workers"

local M = {}

--- Worker processes that do what is submitted. `<close>` finishes the work and joins; after an
--- error it terminates. A worker that dies fails the item that it ran, and is replaced.
---
---     local pool <close> = mp.Pool(2)
---@class multiprocessing.Pool
local Pool = {}
Pool.__index = Pool
Pool.__name = "multiprocessing.Pool"
M.Pool = Pool

-- waiting -----------------------------------------------------------------------------------

-- One round: waits until something happens (at most until the deadline) and deals with it.
local function step(self, deadline)
  local t = self._tasks
  local soonest = deadline
  if t.timed > 0 then
    soonest = self._workers:check_timeouts()
    if deadline and soonest and deadline < soonest then soonest = deadline end
  end
  if self._failure and t.open > 0 then self:_fail_open() end
  local w = self._workers
  if w.half then w:undo_half() end
  if w.missing and w.alive == 0 then w:refill() end
  local seat = self._core:work(soonest, t.jobs, self._arrived)
  if seat then
    self._workers:ended(seat)
    self._core:collect(t.jobs, self._arrived)
  end
  if next(t.progressing) then t:show_progress() end
  if t.deliveries[1] then t:deliver() end
  if self._closing then self:_let_workers_go() end
  if self._watched and self._core then self._core:rearm(self._workers:check_timeouts()) end
end

-- Ctrl-C in a wait ends the pool: nobody would look after its workers.
local function or_stop(self, ok, ...)
  if ok then return ... end
  local e = ...
  if tasks.is_interrupt(e) and self._core then
    self:_stop(errors.new("CancelledError", "interrupted"))
  end
  error(e, 0)
end

local function wait_until(self, is_true, subject, deadline)
  while not is_true(subject) do
    if not self._core then return false end
    if deadline and deadline <= system.now() then
      step(self, 0)
      return is_true(subject)
    end
    step(self, deadline)
  end
  return true
end

--- Ctrl-C came while something of the user's ran for the pool.
function Pool:_interrupted(e)
  or_stop(self, false, e)
end

--- Works on until is_true(subject), for the classes of result.lua.
function Pool:_wait(is_true, subject, deadline)
  self:_check_owner("wait")
  return or_stop(self, pcall(wait_until, self, is_true, subject, deadline))
end

--- Deals with what has happened, without waiting.
function Pool:_look()
  self:_check_owner("look")
  if self._core then or_stop(self, pcall(step, self, 0)) end
end

-- checks ------------------------------------------------------------------------------------

function Pool:_check_owner(what, level)
  if getmetatable(self) ~= Pool then
    opts.fail(level or 3, "bad argument #1 to '%s' (pool expected; call it with a colon)", what)
  end
  if self._owner ~= system.getpid() then
    opts.fail(level or 3, "cannot %s: this pool belongs to another process (pid %d); make one here",
      what, self._owner)
  end
end

-- stands before each submission
local function check_open(self, f, call)
  if getmetatable(self) ~= Pool then
    opts.fail(4, "bad argument #1 to '%s' (pool expected; call it with a colon)", call)
  end
  opts.check_function(f, 1, call, 4)
  if self._owner ~= system.getpid() then self:_check_owner(call, 5) end
  if self._state == "broken" then error(self._failure, 0) end
  if self._state ~= "open" then
    errors.raise("ClosedError", ("cannot %s: the pool is %s"):format(call, self._state))
  end
  if self._workers.missing then self._workers:refill() end
end

-- the number of items; a source is read to its end
local function check_items(items, call)
  local kind = type(items)
  opts.check_items(items, 2, call, 4)
  if kind == "function" then
    local list, n = {}, 0
    for item in items do
      n = n + 1
      list[n] = item
    end
    return list, n
  end
  local n = kind == "table" and rawget(items, "n")
  return items, math.type(n) == "integer" and n or #items
end

-- submitting --------------------------------------------------------------------------------

-- Items [from, to] of a job go off.
function Pool:_put(job, items, from, to, stream)
  local number = self._tasks:take_numbers(to - from + 1)
  local c = self._core
  local ok, e = pcall(c.put, c, job, items, from, to, number, stream)
  if not ok then
    self._core:unstage()
    error(e, 0)
  end
  if not stream then self._core:submit() end
end

-- All items at once. When one cannot be sent none is: so nothing goes off before all are
-- encoded, but where nothing can go wrong with that.
local function submit_all(self, job, items, n)
  local stream = not job.spread and core.scalars(items, 1, n)
  local ok, e = pcall(self._put, self, job, items, 1, n, stream)
  if not ok then
    self._tasks:abandon(job)
    error(e, type(e) == "string" and 3 or 0) -- at the user's line
  end
  self._tasks:seal(job, n)
  return job
end

local function map_job(self, call, spread, f, items, chunksize, options)
  check_open(self, f, call)
  local job = opts.map(chunksize, options, call, 3)
  local list, n = check_items(items, call)
  job.spread = spread
  job.progress = progress.new(job.progress, n, self)
  return submit_all(self, self._tasks:open_job(f, job), list, n)
end

local NO_OPTIONS <const> = {}

local function call_job(self, call, f, args, options)
  check_open(self, f, call)
  if args ~= nil and type(args) ~= "table" then
    opts.fail(3, "bad argument #2 to '%s' (list of arguments expected, got %s)", call, type(args))
  end
  if options ~= nil then options = opts.task(options, call, 3) end
  local t = self._tasks
  if t.open & 63 == 63 then self._core:collect(t.jobs, self._arrived) end -- memory still warm
  local job = t:open_call(f, options or NO_OPTIONS, self, results.AsyncResult)
  local number = t:take_numbers(1)
  local ok, e = pcall(self._core.call, self._core, job.id, job.fn, args, number, job.timeout,
    job.retries)
  if not ok then
    self._tasks:abandon(job)
    error(e, 0)
  end
  return job
end

local function is_finished(job)
  return job.finished
end

local function get(self, job)
  or_stop(self, pcall(wait_until, self, is_finished, job))
  if job.errors or job.failure then error(tasks.failure(job), 0) end
  return tasks.values(job)
end

--- Calls f in a worker and waits for it.
---
--- *Blocks* until it has returned. *Raises* what it raised, as `RemoteError`; `WorkerLostError`.
--- *Python*: `apply(f, args)`; all results are returned.
---
---     print(pool:apply(math.fmod, { 7, 4 }))    --> 3
---@param f function
---@param args? any[] with `n` it may hold nils
---@return any ...
function Pool:apply(f, args)
  return get(self, call_job(self, "apply", f, args))
end

--- Has a worker call f; returns at once.
---
--- *Raises* `SerializationError` when f or an argument cannot be sent; `ClosedError`.
---
---     local r = pool:apply_async(string.rep, { "ab", 3 })
---     print(r:get(60))                          --> ababab
---@param f function
---@param args? any[]
---@param options? table `callback`, `error_callback` functions; `timeout` seconds of running;
--- `retries` number of further tries after a worker's death
---@return multiprocessing.AsyncResult
function Pool:apply_async(f, args, options)
  return (call_job(self, "apply_async", f, args, options)) -- no tail call: errors have a level
end

--- Calls f for each item, in the workers; waits for all.
---
--- *Blocks* until all have returned. *Raises* the first error in the items' order, after all is
--- done. *Python*: the first result of each call; nils are kept (see `n`).
---
---     local squares = pool:map(function(x) return x * x end, { 1, 2, 3 })
---     print(table.concat(squares, " "))         --> 1 4 9
---@param f function
---@param items table|function list, or a function that returns the next item and nil at the end
---@param chunksize? integer|table items that travel together, or a table of options:
--- `chunksize`, `progress`, `timeout`, `retries`
---@return any[] results with `n`
function Pool:map(f, items, chunksize)
  return get(self, map_job(self, "map", false, f, items, chunksize))
end

--- As map, but each item is a list of arguments.
---
---     print(table.concat(pool:starmap(math.max, { { 1, 2 }, { 4, 3 } }), " "))   --> 2 4
---@param f function
---@param items table|function
---@param chunksize? integer|table
---@return any[] results with `n`
function Pool:starmap(f, items, chunksize)
  return get(self, map_job(self, "starmap", true, f, items, chunksize))
end

--- As map, but returns at once.
---
---     print(#pool:map_async(math.sqrt, { 1, 4, 9 }):get(60))   --> 3
---@param f function
---@param items table|function
---@param chunksize? integer|table
---@param options? table as map's, and `callback`, `error_callback`
---@return multiprocessing.AsyncResult
function Pool:map_async(f, items, chunksize, options)
  return results.new_async(self, map_job(self, "map_async", false, f, items, chunksize, options))
end

--- As starmap, but returns at once.
---
---     print(pool:starmap_async(math.max, { { 1, 2 } }):get(60)[1])   --> 2
---@param f function
---@param items table|function
---@param chunksize? integer|table
---@param options? table
---@return multiprocessing.AsyncResult
function Pool:starmap_async(f, items, chunksize, options)
  return results.new_async(self, map_job(self, "starmap_async", true, f, items, chunksize,
    options))
end

local function iterate(self, call, ordered, f, items, chunksize, spread)
  check_open(self, f, call)
  local job = opts.map(chunksize, nil, call, 3)
  job.spread = spread
  job.chunk = job.chunk or 1
  local source = items
  if type(items) ~= "function" then
    local list, n = check_items(items, call)
    source = { list = list, count = n }
  end
  job.progress = progress.new(job.progress, type(source) == "table" and source.count or nil, self)
  local it = results.new_results(self, self._tasks:open_job(f, job), source, ordered)
  it:_feed()
  return it
end

--- Calls f for each item and gives the results in the items' order, as they come. Items are drawn
--- as results are taken, at most 4 × workers × chunksize ahead.
---
--- *Blocks* (the loop) until the next result is there. *Raises* an item's error at its turn.
--- *Python*: gives the index, too, so that a nil result does not end the loop.
---
---     for i, root in pool:imap(math.sqrt, { 1, 4 }) do print(i, root) end
---     --> 1 1.0
---     --> 2 2.0
---@param f function
---@param items table|function
---@param chunksize? integer|table 1
---@return multiprocessing.PoolIterator
function Pool:imap(f, items, chunksize)
  local it = iterate(self, "imap", true, f, items, chunksize)
  return it, nil, nil, it
end

--- As imap, but in the order in which the results come.
---
---     local sum = 0
---     for _, root in pool:imap_unordered(math.sqrt, { 1, 4 }) do sum = sum + root end
---     print(sum)                                --> 3.0
---@param f function
---@param items table|function
---@param chunksize? integer|table 1
---@return multiprocessing.PoolIterator
function Pool:imap_unordered(f, items, chunksize)
  local it = iterate(self, "imap_unordered", false, f, items, chunksize)
  return it, nil, nil, it
end

--- imap over lists of arguments, for executors.
function Pool:_istarmap(f, items)
  local it = iterate(self, "map", true, f, items, nil, true)
  return it, nil, nil, it
end

-- giving up ---------------------------------------------------------------------------------

--- Ends a job early, with its workers (AsyncResult:cancel).
function Pool:_cancel(job)
  self._core:withdraw(job.id)
  local failure = errors.new("CancelledError", "the call was cancelled")
  self._tasks:fail_job(job, failure)
  self._workers:kill_job(job, failure)
  self._tasks:deliver()
end

--- What is left of an imap does not matter any more; what runs may finish.
function Pool:_drop(job)
  if not self._core or self._owner ~= system.getpid() then return end
  self._core:withdraw(job.id)
  self._tasks:fail_job(job, errors.new("CancelledError", "the loop was left"))
end

local WITHDRAWN <const> = "the call was cancelled before it began"

--- Takes a call back if no worker has it (Future:cancel).
function Pool:_withdraw(job)
  if self._core:withdraw(job.id) == 0 then return false end
  job.withdrawn = true
  self._tasks:fail_job(job, errors.new("CancelledError", WITHDRAWN))
  self._tasks:deliver()
  return true
end

--- Takes all calls back that no worker has.
function Pool:_withdraw_all()
  self:_look()
  for id, job in pairs(self._core and self._tasks.jobs or {}) do
    if id ~= 0 and job.single then self:_withdraw(job) end
  end
end

--- Is a worker at this job?
function Pool:_is_running(job)
  for _, seat in ipairs(self._workers.seats) do
    if seat.process and self._core:running(seat.index) == job.id then return true end
  end
  return false
end

--- Has f called when the job has finished.
function Pool:_when_done(job, f)
  if job.finished then return self._tasks:call_back(f) end
  self._tasks:when_done(job, f)
end

--- For the window of imap.
function Pool:_width()
  return math.max(1, self._processes)
end

function Pool:__tostring()
  return ("<Pool %s workers=%d>"):format(self._core and self._state or "joined", self._processes)
end

ending.install(Pool, wait_until, or_stop)
watching.install(Pool, wait_until, or_stop)

-- making one --------------------------------------------------------------------------------

local function watch_initializers(self)
  self._tasks.jobs[0] = {
    id = 0, results = {},
    report = function(text) self:_break("the initializer failed: " .. text) end,
  }
end

local function new(context, options)
  local self = { _owner = system.getpid(), _state = "open", _processes = options.processes,
    _failure = false }
  local is_inline = options.processes == 0
  self._core = is_inline and inline.new_core(options) or core.new(options.processes)
  self._tasks = tasks.new(self._core)
  self._workers = (is_inline and inline.new_workers or workers.new)(self._core, self._tasks,
    options)
  -- through a weak table: what the core or a worker's table holds must not keep the pool alive
  local weak = setmetatable({ pool = self }, { __mode = "v" })
  self._workers.on_broken = function(reason)
    if weak.pool then weak.pool:_break(reason) end
  end
  self._arrived = self._tasks:receiver()
  watch_initializers(self)
  self._context = context
  return setmetatable(self, Pool)
end

--- Makes pools whose workers start by the method of the given context.
function M.bind(context)
  --- A pool of worker processes, started at once.
  ---
  --- *Raises* `ProcessError` when they cannot be started.
  --- *Python*: `Pool(processes, initializer, initargs, maxtasksperchild)`.
  ---
  ---     local pool <close> = mp.Pool(4)
  ---     print(#pool:map(function(x) return x * x end, { 1, 2, 3 }))   --> 3
  ---@function mp.Pool
  ---@param processes? integer|table number of workers (cpu_count); or a table of options:
  --- `processes`, `initializer`, `initargs`, `maxtasksperchild`, `name`, `seed`, `memory_limit`
  ---@param initializer? function each worker calls it first
  ---@param initargs? any[]
  ---@param maxtasksperchild? integer items after which a worker is replaced
  ---@return multiprocessing.Pool
  return function(processes, initializer, initargs, maxtasksperchild)
    local options = opts.pool("Pool", 2, processes, initializer, initargs, maxtasksperchild)
    options.processes = options.processes or context.cpu_count()
    options.context = context
    local self = new(context, options)
    local ok, e = pcall(self._workers.fill, self._workers)
    if not ok then
      self:__gc()
      error(e, 0)
    end
    return self
  end
end

return M
