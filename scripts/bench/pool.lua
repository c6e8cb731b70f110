--- Pools against python3's multiprocessing, the same work in one run.

local bench = dofile "scripts/bench/bench.lua"
local mp = require "multiprocessing"

local function inc(x) return x + 1 end

local function list(n)
  local items = {}
  for i = 1, n do items[i] = i end
  return items
end

local function timed(n, f)
  local began = mp.now()
  f()
  return (mp.now() - began) / n
end

-- a row's work with a warm pool of two
local function pooled(f)
  return function()
    local pool <close> = mp.Pool(2)
    pool:map(inc, list(1000))
    return f(pool)
  end
end

local function create()
  return timed(20, function()
    for _ = 1, 20 do
      local pool = mp.Pool(2)
      pool:close()
      pool:join()
    end
  end)
end

local function apply(pool)
  return timed(10000, function()
    for i = 1, 10000 do pool:apply(inc, { i }) end
  end)
end

local function apply_async(pool)
  return timed(20000, function()
    local results = {}
    for i = 1, 20000 do results[i] = pool:apply_async(inc, { i }) end
    for i = 1, 20000 do results[i]:get() end
  end)
end

local function imap_unordered(pool)
  local items = list(20000)
  return timed(20000, function()
    for _ in pool:imap_unordered(inc, items, 1) do end -- luacheck: ignore
  end)
end

local function map(n)
  return pooled(function(pool)
    local items = list(n)
    return timed(n, function() pool:map(inc, items) end)
  end)
end

-- how much of two processors two workers use, on work that takes t seconds alone
local function efficiency()
  local function burn()
    local x = 0
    for i = 1, 2000000 do x = x + i % 7 end
    return x
  end
  local pool <close> = mp.Pool(2)
  pool:map(burn, { 1, 2 })
  local alone, together = math.huge, math.huge
  for _ = 1, 5 do
    alone = math.min(alone, timed(1, function() pool:map(burn, { 1, 2, 3, 4, 5, 6 }, 6) end))
    together = math.min(together, timed(1, function() pool:map(burn, { 1, 2, 3, 4, 5, 6 }, 1) end))
  end
  return alone / together / 2
end

-- KiB, in a fresh process: of its pages a worker shares most with its parent and the others
local function idle_memory(workers)
  local script = ([[
    local mp = require "multiprocessing"
    local pool <close> = mp.Pool(%d)
    mp.sleep(0.2)
    local most = 0
    for _, w in ipairs(pool:stats().workers) do
      local file <close> = assert(io.open("/proc/" .. w.pid .. "/smaps_rollup"))
      most = math.max(most, tonumber(file:read("a"):match "\nPss:%%s+(%%d+)"))
    end
    print(most)]]):format(workers)
  local pipe <close> = assert(io.popen(("%s -e '%s'"):format(arg[-1], script)))
  return pipe:read("n")
end

local function death()
  local pool <close> = mp.Pool(2)
  local began = mp.Value("d", 0)
  local worst = 0
  for _ = 1, 10 do
    pcall(pool.apply, pool, function()
      local m = require "multiprocessing"
      began.value = m.now()
      m.kill(m.getpid(), 9)
    end)
    worst = math.max(worst, mp.now() - began.value)
  end
  return worst
end

local function python(name) return bench.python("scripts/bench/pool.py", name) end

bench.run("pool", {
  { "create, close, join", mplua = create, python = python "create", want = 15 },
  { "apply, round trip", mplua = pooled(apply), python = python "apply", want = 60 },
  { "apply_async, a task of 20,000", mplua = pooled(apply_async), python = python "apply_async",
    want = 15 },
  { "imap_unordered, an item", mplua = pooled(imap_unordered), python = python "imap_unordered",
    want = 10 },
  { "map, an item of 100,000", mplua = map(100000), python = python "map 100000", want = 1.7 },
  { "map, an item of 1,000,000", mplua = map(1000000), python = python "map 1000000", want = 1.7 },
})

print(("two workers on two processors: %.1f %% efficient"):format(100 * efficiency()))
print(("an idle worker: %d KiB PSS of 20, %d of 2"):format(idle_memory(20), idle_memory(2)))
print(("a death is seen within: %.1f ms"):format(1e3 * death()))
do
  local began = mp.now()
  local pool <close> = mp.Pool(500)
  local sum = 0
  for _, v in ipairs(pool:map(inc, list(5000), 1)) do sum = sum + v end
  assert(sum == 12507500)
  print(("500 workers: started and 5,000 items done in %.2f s"):format(mp.now() - began))
end
