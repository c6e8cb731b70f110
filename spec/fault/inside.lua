--- inside.lua: one step of steps.lua, once for every call in it that can fail
-- MIT licence, see LICENSE
--
-- usage: mplua inside.lua STEP METHOD KIND WHOSE [POINTS = 0 [FROM = 1 [TO [TRACE]]]]
--
-- KIND is "memory" or "system", WHOSE "owner" (this process) or "others" (its children). POINTS
-- tries about so many calls, evenly spread; 0: all. TRACE prints where each fails. Run by run.lua
-- with the calls preloaded. After each run nothing may be left behind: no child,
-- descriptor, arena byte, named memory. Prints faults, then "points N faults N".

package.path = "./?.lua;" .. package.path
local mp = require "multiprocessing"
local fault = require "fault"
local arena = require "multiprocessing.core.arena"
local steps = require "spec.fault.steps"

local name, method, kind, whose = table.unpack(arg, 1, 4)
local wanted, from, to = tonumber(arg[5]) or 0, tonumber(arg[6]), tonumber(arg[7]) or math.huge
local trace = arg[8] ~= nil
local DEADLINE <const> = 30 -- seconds a run; SIGALRM kills this process then
local GRACE <const> = 8 -- seconds for what was told to end

local ctx = mp.get_context(method)
local step = assert(steps[name], "no such step")
local faults = 0

local function report(n, text, ...)
  faults = faults + 1
  print(("  %s/%s/%s/%s call %d: %s"):format(name, method, kind, whose, n, text:format(...)))
end

-- what may not grow -----------------------------------------------------------------------------

local children_file = ("/proc/%d/task/%d/children"):format(mp.getpid(), mp.getpid())

local function children()
  local file <close> = assert(io.open(children_file))
  return select(2, file:read("a"):gsub("%d+", ""))
end

local function snapshot()
  collectgarbage()
  collectgarbage()
  mp.active_children() -- joins those that have ended
  arena.sweep()
  assert(arena.check())
  return { descriptors = fault.descriptors(), children = children(),
    ["arena bytes"] = arena.stats().used }
end

local function grown(before, after)
  local what = {}
  for key, n in pairs(before) do
    if after[key] > n then what[#what + 1] = ("%d %s"):format(after[key] - n, key) end
  end
  return #what > 0 and table.concat(what, ", ")
end

-- What is left behind, when all that is going has gone.
local function left_since(before)
  local deadline = mp.now() + GRACE
  while true do
    local left = grown(before, snapshot())
    if not left or mp.now() > deadline then return left end
    mp.sleep(0.005)
  end
end

-- runs -------------------------------------------------------------------------------------------

local function attempt(first, calls)
  fault.alarm(DEADLINE)
  fault.arm(kind, whose, first, calls, trace)
  local ok, err = xpcall(step, trace and debug.traceback or tostring, ctx)
  local seen, failed, what = fault.disarm()
  fault.alarm(0)
  return ok, err, seen, failed, what
end

local function check(n, calls, base)
  local ok, err, _, failed, what = attempt(n, calls)
  local text = not ok and tostring(err) or ""
  if trace then print(n, what, failed, ok, text) end
  if text:find("WRONG", 1, true) then report(n, "%s fails: %s", what, text) end
  local left = left_since(base)
  if left then
    report(n, "%s fails: left behind: %s (%s)", what, left, ok and "no error" or text)
  end
  return failed
end

-- A call that fails alone is mostly absorbed (Lua collects and tries again), so for memory every
-- second time those behind it fail, too.
local function calls_for(index)
  return kind == "memory" and index % 2 == 0 and 5 or 1
end

fault.alarm(2 * DEADLINE)
step(ctx)
step(ctx)
fault.alarm(0)
local base = snapshot()
local total = select(3, attempt(0, 0))
local leak = left_since(base)
if leak then report(0, "left behind without any failure: %s", leak) end
base = snapshot()
local every = wanted > 0 and math.max(1, total // wanted) or 1
local blocks, points, index = fault.blocks(), 0, 0
steps.patience = 0.5 -- for a child that failed
for n = from or (every + 1) // 2, math.min(to, total + total // 5 + 2), every do
  index = index + 1
  if check(n, calls_for(index), base) > 0 then points = points + 1 end
  if faults > 10 then break end
  base = snapshot() -- what was made once and is kept
end
steps.patience = nil
collectgarbage()
collectgarbage()
local more = fault.blocks() - blocks
if more > points / 2 + 200 then report(0, "%d blocks of malloc are left", more) end
fault.alarm(DEADLINE)
local ok, err = pcall(step, ctx)
fault.alarm(0)
if not ok then report(0, "does not work any more afterwards: %s", tostring(err)) end
print(("points %d faults %d"):format(points, faults))
os.exit(faults == 0)
