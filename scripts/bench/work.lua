--- work.lua: what the rows of the benchmarks share: a clock, two processes at once, lists
-- MIT licence, see LICENSE

local mp = require "multiprocessing"

local M = {}

--- Seconds a turn of f(n), which takes n turns.
function M.timed(n, f)
  local began = mp.now()
  f(n)
  return (mp.now() - began) / n
end

--- The integers from 1 to n, or f of each.
function M.list(n, f)
  local items = {}
  for i = 1, n do items[i] = f and f(i) or i end
  return items
end

--- Two processors that this process may use; nil when it has but one.
local function two_cpus()
  local status <close> = assert(io.open "/proc/self/status")
  local allowed = status:read("a"):match "Cpus_allowed_list:%s*(%S+)"
  local cpus = {}
  for first, last in allowed:gmatch "(%d+)%-?(%d*)" do
    for cpu = tonumber(first), tonumber(last) or tonumber(first) do cpus[#cpus + 1] = cpu end
  end
  return allowed, cpus[1], cpus[2]
end

local allowed <const>, first_cpu <const>, second_cpu <const> = two_cpus()

local function run_on(cpus)
  if second_cpu then
    os.execute(("taskset -cp %s %d >/dev/null 2>&1"):format(cpus, mp.getpid()))
  end
end

-- Who meets another process does so across two processors, as python's side and the limits do: the
-- scheduler alone would put both on one now and then, and then it is what is measured.
local function meet(here, there)
  run_on(first_cpu)
  local p = mp.Process{ target = function()
    run_on(second_cpu)
    there()
  end }
  p:start()
  local seconds = here(p)
  run_on(allowed)
  return seconds
end

--- f(n) in two processes at once; seconds a turn of all 2n.
function M.both(n, f)
  local gate = mp.Barrier(2)
  return meet(function(p)
    gate:wait()
    local seconds = M.timed(2 * n, function()
      f(n)
      p:join()
    end)
    return seconds
  end, function()
    gate:wait()
    f(n)
  end)
end

--- ping(n) here and pong(n) in another process; seconds a round.
function M.ping_pong(n, ping, pong)
  return meet(function(p)
    ping(20) -- both are there
    local seconds = M.timed(n, ping)
    p:join()
    return seconds
  end, function()
    pong(20)
    pong(n)
  end)
end

--- Rows that show how a cost grows: row(size) for each of the sizes.
function M.series(sizes, row, name)
  return M.list(#sizes, function(i)
    local r = row(sizes[i])
    r.size = sizes[i]
    r[1] = name and name(sizes[i]) or M.count(sizes[i])
    return r
  end)
end

--- "10k"
function M.count(n)
  if n < 1000 then return ("%d"):format(n) end
  return n < 1000000 and n // 1000 .. "k" or n // 1000000 .. "M"
end

--- "64 KiB"
function M.bytes(n)
  if n < 1 << 10 then return n .. " B" end
  if n < 1 << 20 then return (n >> 10) .. " KiB" end
  return (n >> 20) .. " MiB"
end

local children = {}

--- f as a function that runs in a process of its own, the same one every time.
function M.in_child(f)
  local here
  return function(...)
    if not here then
      local there
      here, there = mp.Pipe()
      local p = mp.Process{ daemon = true, target = function()
        while true do there:send(f(table.unpack(there:recv()))) end
      end }
      p:start()
      children[#children + 1] = p
    end
    here:send{ ... }
    return here:recv()
  end
end

--- Ends the processes of in_child.
function M.end_children()
  for _, p in ipairs(children) do
    p:kill()
    p:join()
  end
  children = {}
end

return M
