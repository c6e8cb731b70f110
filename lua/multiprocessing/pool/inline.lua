--- inline.lua: a pool without processes (processes = 0), for debugging
-- MIT licence, see LICENSE
--
-- Stands in for the core and for the workers: a task runs in this process at the moment it is
-- submitted, so that a debugger, a profiler and print see it. Results and errors come by the same
-- way as from workers. Values are not copied, and memory_limit is not watched.

local errors = require "multiprocessing.errors"
local system = require "multiprocessing.core.system"

local M = {}

-- the core ------------------------------------------------------------------------------------

local Core = {}
Core.__index = Core

-- what ends a task from outside; never seen by the user
local Exit = { __name = "multiprocessing.pool.Exit" }
local Late = { __name = "multiprocessing.pool.Late" }

local HOOK_EVERY <const> = 1000 -- instructions

local function describe_error(e)
  return getmetatable(e) ~= Exit and getmetatable(e) ~= Late and debug.traceback("", 2):sub(2)
end

local function with_traceback(e)
  return { value = e, traceback = describe_error(e) or nil }
end

local function exit_raises(code)
  if code == nil or code == true then code = 0 end
  error(setmetatable({ code = math.tointeger(code) or 1 }, Exit))
end

-- runs f with os.exit caught, and a hook where there is a timeout
local function run(timeout, f, ...)
  local real_exit, hook, mask, count = os.exit, debug.gethook()
  os.exit = exit_raises -- luacheck: ignore 122
  if f == real_exit then f = exit_raises end
  if timeout and timeout > 0 then
    local deadline = system.now() + timeout
    debug.sethook(function()
      if system.now() > deadline then error(setmetatable({}, Late)) end
    end, "", HOOK_EVERY)
  end
  local result = table.pack(xpcall(f, with_traceback, ...))
  os.exit = real_exit -- luacheck: ignore 122
  if timeout and timeout > 0 then debug.sethook(hook, mask, count) end
  return result
end

local function is_interrupt(e)
  return type(e) == "string" and e:find("interrupted!", 1, true)
end

-- the error of a failed task, or nil when it is to run again
local function judge(e, item, attempt, retries, timeout)
  local kind = getmetatable(e.value)
  if kind == Late then
    return errors.new("TimeoutError",
      ("item %d ran longer than its timeout of %g s"):format(item, timeout))
  elseif kind == Exit then
    if attempt <= retries then return nil end
    return errors.new("WorkerLostError", ("item %d called os.exit(%d) (attempt %d)"):format(item,
      e.value.code, attempt), { pid = system.getpid(), exitcode = e.value.code, item = item,
      attempt = attempt })
  end
  return { value = e.value, traceback = e.traceback, pid = system.getpid() }
end

local function run_item(self, entry, item, number, ...)
  local f = self.functions[entry.fn]
  for attempt = 1, math.huge do
    if self.seed then math.randomseed(self.seed, number) end
    local r = run(entry.timeout, f, ...)
    if r[1] then return table.move(r, 2, r.n, 1, { n = r.n - 1 }) end
    if is_interrupt(r[2].value) then error(r[2].value, 0) end
    local e = judge(r[2], item, attempt, entry.retries, entry.timeout)
    if e then return nil, e end
  end
end

local function note(self, entry, item, values, e)
  self.tasks = self.tasks + 1
  self.results[#self.results + 1] = { id = entry.id, item = item, values = values, failure = e }
end

function Core:enter(f)
  self.functions[#self.functions + 1] = f
  return #self.functions
end

function Core:leave(n)
  self.functions[n] = nil
end

function Core:put(job, items, from, to, number)
  local entry = { id = job.id, fn = job.fn, timeout = job.timeout, retries = job.retries or 0 }
  for i = from, to do
    local v = items[i]
    if job.spread then
      if type(v) ~= "table" then
        error(("item %d is a %s, not a list of arguments"):format(i, type(v)), 0)
      end
      note(self, entry, i, run_item(self, entry, i, number + i - from,
        table.unpack(v, 1, v.n or #v)))
    else
      note(self, entry, i, run_item(self, entry, i, number + i - from, v))
    end
  end
end

function Core:call(id, fn, args, number, timeout, retries)
  local entry = { id = id, fn = fn, timeout = timeout, retries = retries or 0 }
  args = args or {}
  note(self, entry, 1, run_item(self, entry, 1, number, table.unpack(args, 1, args.n or #args)))
end

function Core:collect(jobs, f)
  local list = self.results
  self.results = {}
  for _, r in ipairs(list) do
    local job = jobs[r.id]
    if job then
      if r.failure then
        job.errors = job.errors or {}
        job.errors[r.item] = r.failure
      elseif job.single then
        if r.values.n == 1 then job.value = r.values[1] else job.results = r.values end
      else
        job.results[r.item] = r.values[1]
      end
      f(job, r.item, 1)
    end
  end
  return #list
end

-- Whoever waits here with nothing to come would wait for ever: only sources of imap can bring
-- more, and those are drawn by the caller.
function Core:work(_, jobs, f)
  self:collect(jobs, f)
end

function Core:withdraw() return 0 end
function Core:submit() end
function Core:unstage() end
function Core:rearm() end
function Core:close() end
function Core:set_state() end
function Core:pending() return 0 end

function Core:fileno()
  error("a pool without processes has no descriptor: its tasks have run when they are submitted",
    3)
end

function M.new_core(options)
  return setmetatable({ functions = {}, results = {}, tasks = 0, seed = options.seed }, Core)
end

-- the workers ---------------------------------------------------------------------------------

local Workers = {}
Workers.__index = Workers

function M.new_workers(core, _, options)
  return setmetatable({ core = core, options = options, alive = 0, seats = {},
    started = system.now() }, Workers)
end

function Workers:fill()
  local o = self.options
  if not o.initializer then return end
  local args = o.initargs or {}
  local ok, e = xpcall(o.initializer, with_traceback, table.unpack(args, 1, args.n or #args))
  if ok then return end
  if is_interrupt(e.value) then error(e.value, 0) end
  self.on_broken("the initializer failed: " .. tostring(e.value))
end

function Workers:check_timeouts() return nil end
function Workers:kill_job() return false end
function Workers:stop() end
function Workers:close() end
function Workers:busy() return 0 end

function Workers:stats()
  return { { pid = system.getpid(), tasks = self.core.tasks, busy = os.clock(),
    idle = math.max(0, system.now() - self.started - os.clock()),
    memory = math.floor(collectgarbage "count" * 1024) } }
end

return M
