--- storm.lua: kill -9 at random during real work; nothing may hang, be lost, doubled or torn
--
-- usage: mplua spec/stress/storm.lua [SECONDS]       default: 60
--
-- Two storms, half of the time each: workers of a pool are killed while it maps, and producers and
-- consumers of a queue while they talk. Prints kills, operations and faults; the exit code tells.

package.path = "./?.lua;" .. package.path
local helper = require "spec.helper"
local mp = require "multiprocessing"

local seconds = tonumber(arg[1]) or 60
local seed = tonumber(os.getenv "SEED") or os.time()
math.randomseed(seed)
print("seed " .. seed)

local faults = 0

local function fault(...)
  faults = faults + 1
  print("FAULT: " .. string.format(...))
end

-- Watches over the whole run: a hang is a fault.
local watchdog = mp.Process{ daemon = true, args = { mp.getpid(), seconds * 2 + 60 },
  target = function(pid, limit)
    mp.sleep(limit)
    io.stderr:write("FAULT: hangs\n")
    mp.kill(pid, "SIGKILL")
  end }
watchdog:start()

-- the pool ------------------------------------------------------------------------------------

local function square(n)
  for _ = 1, 2000 do n = n + 0 end
  return n * n
end

-- A process that kills a random child of ours every few milliseconds.
local function start_killer(parent, spared)
  local killer = mp.Process{ daemon = true, args = { parent, spared }, target = function(pid, spare)
    while true do
      mp.sleep(0.004 + math.random() * 0.02)
      local file <close> = io.open(("/proc/%d/task/%d/children"):format(pid, pid))
      local victims = {}
      for child in file:read("a"):gmatch("%d+") do
        child = math.tointeger(child)
        if child ~= mp.getpid() and child ~= spare then victims[#victims + 1] = child end
      end
      if #victims > 0 then pcall(mp.kill, victims[math.random(#victims)], "SIGKILL") end
    end
  end }
  killer:start()
  return killer
end

local function pool_storm(limit)
  local items, maps = {}, 0
  for i = 1, 2000 do items[i] = i end
  local deadline = mp.now() + limit
  local pool = mp.Pool(4)
  local killer = start_killer(mp.getpid(), watchdog.pid)
  while mp.now() < deadline do
    local results = pool:map(square, items, { retries = 1000 })
    for i = 1, #items do
      if results[i] ~= i * i then fault("map: item %d gave %s", i, tostring(results[i])) end
    end
    maps = maps + 1
  end
  killer:kill()
  killer:join()
  local lost = pool:stats().lost
  pool:terminate()
  pool:join()
  print(("pool: %d maps of %d items, %d workers killed"):format(maps, #items, lost))
end

-- the queue -----------------------------------------------------------------------------------

-- Messages are {producer, number, text}; what a consumer got it reports on a queue that nobody
-- kills. Each number of a producer at most once, rising at each consumer, text whole.
local function produce(q, who, stop)
  local n = 0
  while not stop:is_set() do
    n = n + 1
    q:put{ who, n, ("%d/%d "):format(who, n):rep(n % 50) }
    if n % 64 == 0 then mp.sleep(0) end
  end
end

local function consume(q, report)
  while true do
    local m = q:get()
    local whole = m[3] == ("%d/%d "):format(m[1], m[2]):rep(m[2] % 50)
    report:put{ m[1], m[2], whole }
  end
end

local function start(f, ...)
  local p = mp.Process{ target = f, args = { ... }, daemon = true }
  p:start()
  return p
end

local function check_report(seen, m)
  local who, n, whole = m[1], m[2], m[3]
  seen[who] = seen[who] or {}
  if seen[who][n] then fault("queue: message %d of %d came twice", n, who) end
  if not whole then fault("queue: message %d of %d is torn", n, who) end
  seen[who][n] = true
end

local function queue_storm(limit)
  local q, report, stop = mp.Queue(1000), mp.Queue(), mp.Event()
  local seen, people, kills, next_producer, got = {}, {}, 0, 0, 0
  local function replace(i)
    if i <= 3 then
      next_producer = next_producer + 1
      people[i] = start(produce, q, next_producer, stop)
    else
      people[i] = start(consume, q, report)
    end
  end
  for i = 1, 6 do replace(i) end
  local deadline, next_kill = mp.now() + limit, mp.now()
  while mp.now() < deadline do
    local ok, m = report:try_get(0.005)
    if ok then
      got = got + 1
      check_report(seen, m)
    end
    if mp.now() >= next_kill then
      local i = math.random(6)
      people[i]:kill()
      people[i]:join()
      replace(i)
      kills, next_kill = kills + 1, mp.now() + 0.003 + math.random() * 0.01
    end
  end
  stop:set()
  for i = 1, 6 do
    people[i]:kill()
    people[i]:join()
  end
  print(("queue: %d messages, %d kills"):format(got, kills))
  if got == 0 then fault("queue: no message came through") end
end

collectgarbage()
pool_storm(seconds / 2)
queue_storm(seconds / 2)
watchdog:kill()
watchdog:join()
for _ = 1, 4 do collectgarbage() end
helper.eventually(function() return #helper.children() == 0 end)
local left = helper.arena_bytes()
if left > 64 * 1024 then fault("%d bytes of the arena are left", left) end
print(("%d faults"):format(faults))
os.exit(faults == 0)
