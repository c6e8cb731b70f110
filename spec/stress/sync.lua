--- sync.lua: kill -9 at random among processes that lock, wait and notify; nothing may hang
--
-- usage: mplua spec/stress/sync.lua [SECONDS]       default: 60
--
-- Workers do everything at random on the same few objects, each wait with a timeout. One of them
-- is killed every few milliseconds and replaced. No wait may last longer than its timeout, two
-- values that change together under a lock may differ only after "abandoned", no semaphore may
-- have more units than it had. Prints kills, operations and faults; the exit code tells.

local mp = require "multiprocessing"

local seconds = tonumber(arg[1]) or 60
local seed = tonumber(os.getenv "SEED") or os.time()
math.randomseed(seed)
print("seed " .. seed)

local WORKERS <const>, PARTIES <const>, UNITS <const> = 4, 2, 3

local shared = {
  lock = mp.Lock(), x = mp.RawValue("q", 0), y = mp.RawValue("q", 0),
  value = mp.Value("q", 0), units = mp.BoundedSemaphore(UNITS), posts = mp.Semaphore(0),
  event = mp.Event(), cond = mp.Condition(), barrier = mp.Barrier(PARTIES),
  done = mp.RawValue("q", 0), faults = mp.RawValue("q", 0), abandoned = mp.RawValue("q", 0),
  rlock = mp.RLock(),
}

local function fault(s, ...)
  s.faults:add(1)
  print("FAULT: " .. string.format(...))
end

-- f(timeout), which may not take longer; a second's grace for a busy machine
local function timely(s, name, f)
  local timeout = math.random() * 0.05
  local start = mp.now()
  f(timeout)
  local took = mp.now() - start - timeout
  if took > 1 then fault(s, "%s took %.2f s longer than its timeout", name, took) end
end

local actions = {}

function actions.lock(s)
  timely(s, "lock", function(timeout)
    local taken, how = s.lock:acquire(true, timeout)
    if not taken then return end
    if how == "abandoned" then
      s.abandoned:add(1)
      s.y.value = s.x.value
    end
    if s.x.value ~= s.y.value then fault(s, "the lock was held by two, or the dead not told") end
    s.x.value = s.x.value + 1
    if math.random(4) == 1 then mp.sleep(0.001) end -- room for a kill
    s.y.value = s.y.value + 1
    s.lock:release()
  end)
end

function actions.rlock(s)
  timely(s, "rlock", function(timeout)
    if not s.rlock:acquire(true, timeout) then return end
    s.rlock:with(function() s.value:add(1) end)
    s.rlock:release()
  end)
end

function actions.value(s)
  s.value:update(function(v) return v + 1 end)
end

function actions.units(s)
  timely(s, "bounded", function(timeout)
    if not s.units:acquire(true, timeout) then return end
    if math.random(4) == 1 then mp.sleep(0.001) end
    local free = s.units:get_value()
    if free > UNITS - 1 then fault(s, "%d units are free, one is ours", free) end
    s.units:release()
  end)
end

function actions.post(s)
  if s.posts:get_value() < 100 then s.posts:release() end
end

function actions.take(s)
  timely(s, "semaphore", function(timeout) s.posts:acquire(true, timeout) end)
end

function actions.event(s)
  timely(s, "event", function(timeout) s.event:wait(timeout) end)
  s.event:clear()
end

function actions.set(s) s.event:set() end

function actions.wait(s)
  local _ <close> = s.cond:hold()
  s.cond:wait(math.random() * 0.05)
end

function actions.notify(s)
  local _ <close> = s.cond:hold()
  s.cond:notify(math.random(0, 3))
end

function actions.barrier(s)
  timely(s, "barrier", function(timeout)
    local ok, place = pcall(s.barrier.wait, s.barrier, timeout)
    if ok and (place < 1 or place > PARTIES) then fault(s, "place %d", place) end
    if not ok then
      if not mp.iserror(place, "BrokenBarrierError") then fault(s, "%s", tostring(place)) end
      s.barrier:reset()
    end
  end)
end

local names = {}
for name in pairs(actions) do names[#names + 1] = name end

local function work(s)
  while true do
    actions[names[math.random(#names)]](s)
    s.done:add(1)
  end
end

local function start()
  local p = mp.Process{ target = work, args = { shared }, daemon = true }
  p:start()
  return p
end

local workers, kills, stuck = {}, 0, 0
for i = 1, WORKERS do workers[i] = start() end
local deadline, done = mp.now() + seconds, 0
while mp.now() < deadline and stuck < 500 do
  mp.sleep(0.002 + math.random() * 0.02)
  local i = math.random(WORKERS)
  workers[i]:kill()
  workers[i]:join()
  kills = kills + 1
  workers[i] = start()
  stuck = shared.done.value == done and stuck + 1 or 0
  done = shared.done.value
end
if stuck > 0 and stuck >= 500 then fault(shared, "nothing moves") end
for _, p in ipairs(workers) do p:kill() end
for _, p in ipairs(workers) do p:join() end

-- the survivor finds all of it whole
local function check(ok, what) if not ok then fault(shared, "%s", what) end end
check(shared.lock:acquire(false), "the lock is lost")
check(shared.rlock:acquire(false), "the rlock is lost")
check(shared.cond:acquire(false), "the condition's lock is lost")
check(shared.value:acquire(false), "the value's lock is lost")
check(shared.units:get_value() == UNITS, "units are lost")
check(shared.barrier.n_waiting == 0, "dead waiters count")
shared.cond:notify_all()

print(("%d kills, %d operations, %d locks abandoned, %d faults"):format(
  kills, shared.done.value, shared.abandoned.value, shared.faults.value))
os.exit(shared.faults.value == 0)
