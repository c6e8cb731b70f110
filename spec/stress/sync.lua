--- sync.lua: kill -9 at random among processes that lock, wait and notify; nothing may hang
-- MIT licence, see LICENSE
--
-- usage: mplua spec/stress/sync.lua [SECONDS = 20]
--
-- Workers do everything at random on the same few objects, each wait with a timeout. One of them
-- is killed every few milliseconds and replaced. No wait may last longer than its timeout, two
-- values that change together under a lock may differ only after "abandoned", no semaphore may
-- have more units than it had.

package.path = "./?.lua;" .. package.path
local mp = require "multiprocessing"
local storm = require "spec.stress.storm".begin "sync"

local WORKERS <const>, PARTIES <const>, UNITS <const> = 4, 2, 3

local shared = {
  lock = mp.Lock(), x = mp.RawValue("q", 0), y = mp.RawValue("q", 0),
  value = mp.Value("q", 0), units = mp.BoundedSemaphore(UNITS), posts = mp.Semaphore(0),
  event = mp.Event(), cond = mp.Condition(), barrier = mp.Barrier(PARTIES),
  rlock = mp.RLock(),
}

-- f(timeout), which may not take longer; a second's grace for a busy machine
local function timely(name, f)
  local timeout = math.random() * 0.05
  local start = mp.now()
  f(timeout)
  local took = mp.now() - start - timeout
  if took > 1 then storm:fault("%s took %.2f s longer than its timeout", name, took) end
end

local actions = {}

function actions.lock(s)
  timely("lock", function(timeout)
    local taken, how = s.lock:acquire(true, timeout)
    if not taken then return end
    if how == "abandoned" then
      s.y.value = s.x.value
    end
    if s.x.value ~= s.y.value then storm:fault("the lock was held by two, or the dead not told") end
    s.x.value = s.x.value + 1
    if math.random(4) == 1 then mp.sleep(0.001) end -- room for a kill
    s.y.value = s.y.value + 1
    s.lock:release()
  end)
end

function actions.rlock(s)
  timely("rlock", function(timeout)
    if not s.rlock:acquire(true, timeout) then return end
    s.rlock:with(function() s.value:add(1) end)
    s.rlock:release()
  end)
end

function actions.value(s)
  s.value:update(function(v) return v + 1 end)
end

function actions.units(s)
  timely("bounded", function(timeout)
    if not s.units:acquire(true, timeout) then return end
    if math.random(4) == 1 then mp.sleep(0.001) end
    local free = s.units:get_value()
    if free > UNITS - 1 then storm:fault("%d units are free, one is ours", free) end
    s.units:release()
  end)
end

function actions.post(s)
  if s.posts:get_value() < 100 then s.posts:release() end
end

function actions.take(s)
  timely("semaphore", function(timeout) s.posts:acquire(true, timeout) end)
end

function actions.event(s)
  timely("event", function(timeout) s.event:wait(timeout) end)
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
  timely("barrier", function(timeout)
    local ok, place = pcall(s.barrier.wait, s.barrier, timeout)
    if ok and (place < 1 or place > PARTIES) then storm:fault("place %d", place) end
    if not ok then
      if not mp.iserror(place, "BrokenBarrierError") then storm:fault("%s", tostring(place)) end
      s.barrier:reset()
    end
  end)
end

local names = {}
for name in pairs(actions) do names[#names + 1] = name end

table.sort(names)

local function work(s)
  while true do
    actions[names[math.random(#names)]](s)
    storm.moved:add(1)
  end
end

local workers = {}
for i = 1, WORKERS do workers[i] = storm:start(work, shared) end
while storm:goes_on() do
  mp.sleep(0.002 + math.random() * 0.02)
  local i = math.random(WORKERS)
  storm:kill(workers[i], function() workers[i] = storm:start(work, shared) end)
end
for _, p in ipairs(workers) do p:kill() end
for _, p in ipairs(workers) do p:join() end

-- the survivor finds all of it whole
storm:check(shared.lock:acquire(false), "the lock is lost")
storm:check(shared.rlock:acquire(false), "the rlock is lost")
storm:check(shared.cond:acquire(false), "the condition's lock is lost")
storm:check(shared.value:acquire(false), "the value's lock is lost")
storm:check(shared.units:get_value() == UNITS, "units are lost")
storm:check(shared.barrier.n_waiting == 0, "dead waiters count")
shared.cond:notify_all()
for _, lock in ipairs{ shared.lock, shared.rlock, shared.cond, shared.value } do lock:release() end
shared, workers = nil, nil -- luacheck: ignore
storm:finish(storm.moved.value)
