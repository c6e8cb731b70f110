--- Locks and shared values against python3's multiprocessing, and locks against a bare futex mutex.
--
-- usage: mplua scripts/bench/sync.lua [ROW...]     the rows whose names contain one of these

local bench = dofile "scripts/bench/bench.lua"
local mp = require "multiprocessing"

local now <const> = mp.now

-- Who meets another process does so across two processors, as python3's side does: the scheduler
-- alone would put both on one now and then, and then it is what is measured.
local function on_cpu(number)
  if mp.cpu_count() < 2 then return end
  os.execute(("taskset -cp %d %d >/dev/null 2>&1"):format(number, mp.getpid()))
end

local function on_any_cpu()
  os.execute(("taskset -cp 0-%d %d >/dev/null 2>&1"):format(mp.cpu_count() - 1, mp.getpid()))
end

local function timed(n, f)
  local start = now()
  f(n)
  return (now() - start) / n
end

-- f(n) in two processes at once; seconds an operation of all 2n
local function both(n, f)
  local gate = mp.Barrier(2)
  on_cpu(0)
  local p = mp.Process{ target = function()
    on_cpu(1)
    gate:wait()
    f(n)
  end }
  p:start()
  gate:wait()
  local start = now()
  f(n)
  p:join()
  local seconds = (now() - start) / (2 * n)
  on_any_cpu()
  return seconds
end

local function ping_pong(n, ping, pong)
  on_cpu(0)
  local p = mp.Process{ target = function()
    on_cpu(1)
    pong(20)
    pong(n)
  end }
  p:start()
  ping(20) -- both are there
  local start = now()
  ping(n)
  local seconds = (now() - start) / n
  p:join()
  on_any_cpu()
  return seconds
end

local function lock_loop(l)
  return function(n)
    for _ = 1, n do
      l:acquire()
      l:release()
    end
  end
end

local function lock() return timed(1000000, lock_loop(mp.Lock())) end
local function lock_two() return both(500000, lock_loop(mp.Lock())) end

local function value_two()
  local v = mp.Value("q", 0)
  local seconds = both(200000, function(n)
    local l = v:get_lock()
    for _ = 1, n do
      l:acquire()
      v.value = v.value + 1
      l:release()
    end
  end)
  assert(v.value == 400000)
  return seconds
end

local function add_two(make)
  return function()
    local v = make("q", 0)
    local seconds = both(500000, function(n) for _ = 1, n do v:add(1) end end)
    assert(v.value == 1000000)
    return seconds
  end
end

local function raw_write()
  local v = mp.RawValue("q", 0)
  return timed(3000000, function(n) for i = 1, n do v.value = i end end)
end

local function array_write(make)
  return function()
    local a = make("q", 1000)
    return timed(2000000, function(n) for i = 1, n do a[500] = i end end)
  end
end

local function array_totable()
  local a = mp.Array("d", 100000)
  return timed(50, function(n) for _ = 1, n do a:totable() end end)
end

local function event()
  local a, b = mp.Event(), mp.Event()
  return ping_pong(50000, function(n)
    for _ = 1, n do a:set() b:wait() b:clear() end
  end, function(n)
    for _ = 1, n do a:wait() a:clear() b:set() end
  end)
end

local function semaphore()
  local a, b = mp.Semaphore(0), mp.Semaphore(0)
  return ping_pong(50000, function(n)
    for _ = 1, n do a:release() b:acquire() end
  end, function(n)
    for _ = 1, n do a:acquire() b:release() end
  end)
end

local function condition()
  local c, turn = mp.Condition(), mp.RawValue("i", 0)
  local function side(mine)
    return function(n)
      local _ <close> = c:hold()
      for _ = 1, n do
        while turn.value ~= mine do c:wait() end
        turn.value = 1 - mine
        c:notify()
      end
    end
  end
  return ping_pong(20000, side(0), side(1))
end

local function barrier()
  local b = mp.Barrier(2)
  local function side(n) for _ = 1, n do b:wait() end end
  return ping_pong(20000, side, side)
end

local function python(name) return bench.python("scripts/bench/sync.py", name) end

local rows = {
  { "Lock acquire + release", mplua = lock, python = python "lock", want = "1.2" },
  { "the same, two processes", mplua = lock_two, python = python "lock two", want = "2" },
  { "Value + 1 under its lock, two", mplua = value_two, python = python "value two", want = "5" },
  { "Value:add(1), two", mplua = add_two(mp.Value), python = python "value two", want = "12" },
  { "RawValue:add(1), two", mplua = add_two(mp.RawValue), python = python "value two",
    want = "20" },
  { "RawValue write", mplua = raw_write, python = python "raw write", want = "2" },
  { "Array element write", mplua = array_write(mp.Array), python = python "array write",
    want = "2" },
  { "RawArray element write", mplua = array_write(mp.RawArray), python = python "raw array write",
    want = "2" },
  { "Array of 100,000: totable", mplua = array_totable, python = python "array totable" },
  { "Event round trip", mplua = event, python = python "event", want = "40" },
  { "Condition round trip", mplua = condition, python = python "condition", want = "40" },
  { "Barrier round", mplua = barrier, python = python "barrier", want = "40" },
  { "Semaphore round trip", mplua = semaphore, python = python "semaphore", want = "12" },
}

local function is_wanted(row)
  for _, name in ipairs(arg) do
    if row[1]:find(name, 1, true) then return true end
  end
  return #arg == 0
end

local chosen = {}
for _, row in ipairs(rows) do
  if is_wanted(row) then chosen[#chosen + 1] = row end
end
bench.run("locks and shared values", chosen)
