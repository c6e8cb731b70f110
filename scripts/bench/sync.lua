--- Locks and shared values, against python3's, a pthread mutex, atomics and spinning in C.

local mp = require "multiprocessing"
local work = require "bench.work"

local timed <const>, both <const>, ping_pong <const> = work.timed, work.both, work.ping_pong

local function lock_loop(l)
  return function(n)
    for _ = 1, n do
      l:acquire()
      l:release()
    end
  end
end

local function lock(n) return timed(n, lock_loop(mp.Lock())) end
local function lock_two(n) return both(n, lock_loop(mp.Lock())) end

local function value_two(n)
  local v = mp.Value("q", 0)
  local seconds = both(n, function()
    local l = v:get_lock()
    for _ = 1, n do
      l:acquire()
      v.value = v.value + 1
      l:release()
    end
  end)
  assert(v.value == 2 * n)
  return seconds
end

local function add_two(make)
  return function(n)
    local v = make("q", 0)
    local seconds = both(n, function() for _ = 1, n do v:add(1) end end)
    assert(v.value == 2 * n)
    return seconds
  end
end

local function raw_write(n)
  local v = mp.RawValue("q", 0)
  return timed(n, function() for i = 1, n do v.value = i end end)
end

local function array_write(make)
  return function(n)
    local a = make("q", 1000)
    return timed(n, function() for i = 1, n do a[500] = i end end)
  end
end

local function array_totable(n)
  local a = mp.Array("d", 100000)
  return timed(n, function() for _ = 1, n do a:totable() end end)
end

local function event(n)
  local a, b = mp.Event(), mp.Event()
  return ping_pong(n, function(rounds)
    for _ = 1, rounds do a:set() b:wait() b:clear() end
  end, function(rounds)
    for _ = 1, rounds do a:wait() a:clear() b:set() end
  end)
end

local function semaphore(n)
  local a, b = mp.Semaphore(0), mp.Semaphore(0)
  return ping_pong(n, function(rounds)
    for _ = 1, rounds do a:release() b:acquire() end
  end, function(rounds)
    for _ = 1, rounds do a:acquire() b:release() end
  end)
end

local function condition(n)
  local c, turn = mp.Condition(), mp.RawValue("i", 0)
  local function side(mine)
    return function(rounds)
      local _ <close> = c:hold()
      for _ = 1, rounds do
        while turn.value ~= mine do c:wait() end
        turn.value = 1 - mine
        c:notify()
      end
    end
  end
  return ping_pong(n, side(0), side(1))
end

local function barrier(n)
  local b = mp.Barrier(2)
  local function side(rounds) for _ = 1, rounds do b:wait() end end
  return ping_pong(n, side, side)
end

-- how often a second a process wakes up that waits for what does not come
local function wakeups()
  local e = mp.Event()
  local p = mp.Process{ target = function() e:wait() end }
  p:start()
  local function count()
    local status <close> = assert(io.open(("/proc/%d/status"):format(p.pid)))
    return tonumber(status:read("a"):match "\nvoluntary_ctxt_switches:%s+(%d+)")
  end
  mp.sleep(0.1)
  local first = count()
  mp.sleep(0.5)
  local per_second = (count() - first) / 0.5
  e:set()
  p:join()
  return per_second
end

return {
  { title = "locks and shared values", python = "sync", rows = {
    { "Lock acquire and release", mplua = lock, other = "lock", limit = "mutex", wanted = 1.2 },
    { "the same, two processes contend", mplua = lock_two, other = "lock_two", limit = "mutex2",
      wanted = 2 },
    { "Value + 1 under its lock, two processes", mplua = value_two, other = "value_two",
      limit = "mutex2", wanted = 5 },
    { "Value:add(1), two processes", mplua = add_two(mp.Value), other = "value_two",
      limit = "mutex2", wanted = 12 },
    { "RawValue:add(1), two processes", mplua = add_two(mp.RawValue), other = "value_two",
      limit = "add2", wanted = 20 },
    { "RawValue write", mplua = raw_write, other = "raw_write", limit = "store", wanted = 2 },
    { "RawArray element write", mplua = array_write(mp.RawArray), other = "raw_array_write",
      limit = "store", wanted = 2 },
    { "Array element write", mplua = array_write(mp.Array), other = "array_write",
      limit = "mutex", wanted = 2 },
    { "Array of 100,000 to a table", mplua = array_totable, other = "array_totable",
      limit = "copy 800000" },
    { "Event round trip", mplua = event, other = "event", limit = "echo 0", wanted = 40 },
    { "Condition round trip", mplua = condition, other = "condition", limit = "echo 0",
      wanted = 40 },
    { "Barrier round", mplua = barrier, other = "barrier", limit = "echo 0", wanted = 40 },
    { "Semaphore round trip", mplua = semaphore, other = "semaphore", limit = "echo 0",
      wanted = 12 },
    { "an idle waiter's wake-ups", unit = "/s", mplua = wakeups, at_most = 20 },
  } },
}
