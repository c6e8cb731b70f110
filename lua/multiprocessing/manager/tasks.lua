--- tasks.lua: a manager's server runs many calls at once
-- MIT licence, see LICENSE
--
-- A job is a table with two methods: `run` is run in a coroutine, which gives way when it
-- waits and when it has worked for some milliseconds (multiprocessing.core.task); `finish` follows
-- outside of it, so nothing interrupts that. A new job begins at once: what goes on for long has
-- had its turn.
--
--    start --> running --end--> (the coroutine is used again)
--                |  ^
--    gives way   v  |   its time has come, what it waits for is ready
--              ready / parked

local core = require "multiprocessing.core.task"
local system = require "multiprocessing.core.system"
local wait = require "multiprocessing.core.wait"

local M = {}

local FREE_MAX <const> = 32

local FREE <const> = {} -- yielded by a coroutine that has done its job

local Tasks = {}
Tasks.__index = Tasks

function M.new()
  return setmetatable({ ready = {}, parked = {}, free = {}, jobs = {} }, Tasks)
end

local function work(job)
  while true do
    job:run()
    job = coroutine.yield(FREE)
  end
end

function Tasks:_finish(co, failure)
  local job = self.jobs[co]
  self.jobs[co] = nil
  job:finish(failure)
end

-- What has become of a coroutine that was resumed.
function Tasks:_settle(co, outcome, a, b, c)
  if a == FREE then
    if #self.free < FREE_MAX then self.free[#self.free + 1] = co end
    self:_finish(co)
  elseif outcome == "error" then
    self:_finish(co, a)
  elseif a == core.waits then
    self.parked[#self.parked + 1] = { co = co, at = b, thing = c }
  else
    self.ready[#self.ready + 1] = co
  end
end

--- Runs a job until it ends or gives way.
function Tasks:start(job)
  local co = table.remove(self.free) or coroutine.create(work)
  self.jobs[co] = job
  self:_settle(co, core.resume(co, job))
end

--- Goes on with the one that has waited longest for its turn.
function Tasks:step()
  local co = table.remove(self.ready, 1)
  self:_settle(co, core.resume(co))
end

local function is_due(entry, now, things)
  return entry.at and now >= entry.at or entry.thing and things[entry.thing]
end

--- Those that have waited for their time, or for one of `things` (a set), are ready.
function Tasks:wake(things)
  local parked, left = self.parked, {}
  local now = system.now()
  for _, entry in ipairs(parked) do
    if is_due(entry, now, things) then
      self.ready[#self.ready + 1] = entry.co
    else
      left[#left + 1] = entry
    end
  end
  self.parked = left
end

--- When the first parked one is due (nil: none has a time), and the list of what they wait for.
function Tasks:waits_for()
  local at, things = nil, {}
  for _, entry in ipairs(self.parked) do
    if entry.at and (not at or entry.at < at) then at = entry.at end
    things[#things + 1] = entry.thing
  end
  return at, things
end

--- Wakes without waiting whoever can go on.
function Tasks:look()
  if not self.parked[1] then return end
  local _, things = self:waits_for()
  local set = {}
  if things[1] then
    for _, place in ipairs(wait.any(things, 0)) do set[things[place]] = true end
  end
  self:wake(set)
end

return M
