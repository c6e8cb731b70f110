--- run.lua: every call that takes something from the machine fails once, in every part of a script
-- MIT licence, see LICENSE
--
-- usage: mplua spec/fault/run.lua [POINTS = 0 [STEP...]]
--
-- Runs inside.lua for each step of steps.lua, start method, kind of call and side. POINTS tries
-- about so many calls each, evenly spread; 0: all. A run that ends by a signal, hangs, gives a
-- wrong result or leaves something behind is a fault. The last line counts: "N passed, N failed".

package.path = "./?.lua;" .. package.path
package.cpath = (os.getenv "BUILD" or "build") .. "/fault/?.so;" .. package.cpath
local fault = require "fault"
local steps = require "spec.fault.steps"
local system = require "multiprocessing.core.system"

local points_each = tonumber(arg[1]) or 0
local LIMIT <const> = 1800 -- seconds for one inside.lua
local library <const> = (os.getenv "BUILD" or "build") .. "/fault/fault.so"
local program <const> = arg[-1]

local everywhere <const> = { process = true, queue = true, map = true, deaths = true }
local all_methods <const> = { "fork", "spawn", "forkserver" }
local control, log = os.tmpname(), os.tmpname()

local function orders()
  local names = table.pack(table.unpack(arg, 2))
  if names.n == 0 then
    for name, f in pairs(steps) do
      if type(f) == "function" then names[#names + 1] = name end
    end
  end
  table.sort(names)
  return coroutine.wrap(function()
    for _, name in ipairs(names) do
      for _, method in ipairs(everywhere[name] and all_methods or { "fork" }) do
        for _, kind in ipairs{ "system", "memory" } do
          for _, whose in ipairs{ "owner", "others" } do
            coroutine.yield(name, method, kind, whose)
          end
        end
      end
    end
  end)
end

-- -> output, "exit" or "signal", number
local function run(...)
  fault.make(control)
  local command = ("MPLUA_FAULT=%s LUA_CPATH='%s' timeout -k 1 %d env LD_PRELOAD=%s %s "
    .. "spec/fault/inside.lua %s %d 2>%s </dev/null"):format(control, package.cpath, LIMIT,
    library:find "^/" and library or "$PWD/" .. library, program,
    table.concat({ ... }, " "), points_each, log)
  local pipe <close> = io.popen(command)
  local text = pipe:read "a"
  return text, select(2, pipe:close())
end

local function errors_of_children()
  local file <close> = io.open(log)
  local text = file and file:read "a" or ""
  return text:sub(-2000)
end

-- Orphans of a run: all must be gone soon after it.
local function orphans()
  local deadline = system.now() + 5
  while fault.reap() do
    if system.now() > deadline then return true end
    system.sleep(0.01)
  end
  return false
end

assert(fault.adopt())
local passed, failed, points = 0, 0, 0
for name, method, kind, whose in orders() do
  local start = system.now()
  local text, how, status = run(name, method, kind, whose)
  local bad = not text:find "points %d+ faults 0\n$"
  local n = tonumber(text:match "points (%d+) faults")
  if not n then
    local first, what = fault.order(control)
    text = ("%s  ends with %s %s when %s fails, call %d\n%s"):format(text, how, status, what, first,
      errors_of_children())
  end
  if orphans() then
    bad, text = true, text .. "  processes are left\n"
  end
  points = points + (n or 0)
  passed, failed = passed + (bad and 0 or 1), failed + (bad and 1 or 0)
  print(("%-10s %-10s %-7s %-7s %6d calls failed %5.1f s%s"):format(name, method, kind, whose,
    n or 0, system.now() - start, bad and "  FAULTS:\n" .. text or ""))
end
os.remove(control)
os.remove(log)
print(("%d calls failed"):format(points))
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0)
