--- storm.lua: what all kill storms share: time, seed, kills, recovery, leaks, the closing line
-- MIT licence, see LICENSE
--
--   local storm = require "spec.stress.storm"
--   local s = storm.begin "queue"             the script's argument: SECONDS; environment: SEED
--   while s:goes_on() do s:kill(p) ... end
--   s:finish(operations)                      leaks, the line that run.lua reads, the exit code
--
-- A recovery is the time from a kill until the others are seen to go on: until `s.moved`, a shared
-- counter that they add to, has changed.

local arena = require "multiprocessing.core.arena"
local mp = require "multiprocessing"

local M = {}

local STUCK <const> = 30 -- seconds without any progress: a hang
local ENDING <const> = 60 -- seconds for a storm to end when its time is over

local Storm = {}
Storm.__index = Storm

-- Watches over the whole run, in a process of its own: a hang is a fault.
local function watch(pid, name, limit)
  mp.sleep(limit)
  io.stderr:write(("FAULT: %s hangs\n"):format(name))
  mp.kill(pid, "SIGKILL")
end

function M.begin(name)
  local seconds = tonumber(arg[1]) or 20
  local seed = math.tointeger(os.getenv "SEED") or os.time()
  math.randomseed(seed)
  local self = setmetatable({
    name = name, seed = seed, stop = mp.now() + seconds, faults = mp.RawValue("q", 0),
    moved = mp.RawValue("q", 0), kills = mp.RawValue("q", 0), slowest = mp.RawValue("d", 0),
  }, Storm)
  self.watchdog = mp.Process{ target = watch, daemon = true,
    args = { mp.getpid(), name, seconds + ENDING } }
  self.watchdog:start()
  return self
end

function Storm:goes_on()
  return mp.now() < self.stop and self.faults.value < 100
end

--- Any process may say it.
function Storm:fault(format, ...)
  self.faults:add(1)
  print(("FAULT: %s: %s"):format(self.name, format:format(...)))
end

function Storm:check(ok, format, ...)
  if not ok then self:fault(format, ...) end
end

--- Starts a daemon whose random numbers come from the seed.
function Storm:start(f, ...)
  self.started = (self.started or 0) + 1
  local p = mp.Process{ daemon = true, args = { self.seed, self.started, f, ... },
    target = function(seed, n, target, ...)
      math.randomseed(seed, n)
      target(...)
    end }
  p:start()
  return p
end

--- Notes how long it took after `start` until `moved` was no longer `before`.
function Storm:await_recovery(start, before)
  while self.moved.value == before do
    if mp.now() - start > STUCK then
      self:fault("nothing moves any more")
      os.exit(1)
    end
    mp.sleep(0.0002)
  end
  local took = mp.now() - start
  if took > self.slowest.value then self.slowest.value = took end
end

--- Kills a process, has it replaced, and waits until the others are seen to go on.
---@param p table process
---@param replace? function
function Storm:kill(p, replace)
  local start, before = mp.now(), self.moved.value
  p:kill()
  p:join()
  self.kills:add(1)
  if replace then replace() end
  self:await_recovery(start, before)
end

-- leaks -----------------------------------------------------------------------------------------

local function children()
  local path = ("/proc/%d/task/%d/children"):format(mp.getpid(), mp.getpid())
  local file <close> = assert(io.open(path))
  return select(2, file:read("a"):gsub("%d+", ""))
end

local function used()
  for _ = 1, 4 do collectgarbage() end
  mp.active_children()
  arena.sweep()
  assert(arena.check())
  return arena.stats().used
end

-- What the storm's own few objects and a forkserver need.
local OWN <const> = 64 * 1024

--- Call it when nothing of the storm's is referred to any more.
function Storm:finish(operations)
  self.watchdog:kill()
  self.watchdog:join()
  local deadline = mp.now() + 10
  while (used() > OWN or children() > 1) and mp.now() < deadline do mp.sleep(0.01) end
  self:check(used() <= OWN, "%d bytes of the arena are left", used())
  if children() > 1 then os.execute("ps -o pid,ppid,stat,etime,args --ppid " .. mp.getpid()) end
  self:check(children() <= 1, "%d children are left", children()) -- one: a forkserver
  self:check(operations > 0, "nothing was done")
  local faults = self.faults.value
  print(("%s: %d kills, %d operations, %d faults, slowest recovery %.1f ms, seed %d"):format(
    self.name, self.kills.value, operations, faults, self.slowest.value * 1000, self.seed))
  os.exit(faults == 0)
end

return M
