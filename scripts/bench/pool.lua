--- Pools, against python3's and against the same loop in one process.

local mp = require "multiprocessing"
local work = require "bench.work"

local function inc(x) return x + 1 end

-- a row's work with a warm pool
local function pooled(f, workers)
  return function(n)
    local pool <close> = mp.Pool(workers or 2)
    pool:map(inc, work.list(1000))
    return work.timed(n, function() f(pool, n) end)
  end
end

local function create(workers)
  return function(n)
    return work.timed(n, function()
      for _ = 1, n do
        local pool = mp.Pool(workers)
        pool:close()
        pool:join()
      end
    end)
  end
end

local apply = pooled(function(pool, n)
  for i = 1, n do pool:apply(inc, { i }) end
end)

local apply_async = pooled(function(pool, n)
  local results = {}
  for i = 1, n do results[i] = pool:apply_async(inc, { i }) end
  for i = 1, n do results[i]:get() end
end)

local imap_unordered = pooled(function(pool, n)
  for _ in pool:imap_unordered(inc, work.list(n), 1) do end -- luacheck: ignore
end)

local function map(workers)
  return function(n)
    local items = work.list(n)
    return pooled(function(pool) pool:map(inc, items) end, workers)(n)
  end
end

-- what two workers could at best make of the plain loop
local function half_a_loop(n)
  local items = work.list(n)
  return work.timed(n, function() work.list(n, function(i) return inc(items[i]) end) end) / 2
end

local function burn()
  local x = 0
  for i = 1, 2000000 do x = x + i % 7 end
  return x
end

-- percent of two processors that two workers use: six pieces as one chunk, and each by itself
local function efficiency()
  local pool <close> = mp.Pool(2)
  pool:map(burn, { 1, 2 })
  local function best(chunksize, least)
    local seconds = work.timed(1, function() pool:map(burn, work.list(6), chunksize) end)
    return math.min(seconds, least)
  end
  local alone, together = math.huge, math.huge
  for _ = 1, 3 do alone, together = best(6, alone), best(1, together) end
  return 50 * alone / together
end

-- KiB of the largest of idle workers, in a fresh process: the pages that a worker shares with many
-- would otherwise count as few
local function memory(workers)
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
  return function()
    local pipe <close> = assert(io.popen(("%s -e '%s'"):format(arg[-1], script)))
    return pipe:read "n"
  end
end

-- milliseconds until a waiting owner knows that its worker was killed
local function death()
  local pool <close> = mp.Pool(2)
  local began = mp.RawValue("d", 0)
  local ok, e = pcall(pool.apply, pool, function()
    local m = require "multiprocessing"
    began.value = m.now()
    m.kill(m.getpid(), "SIGKILL")
  end)
  assert(not ok and mp.iserror(e, "WorkerLostError"))
  return 1e3 * (mp.now() - began.value)
end

-- seconds a worker, from none to 5,000 items done
local function many_workers(n)
  return work.timed(n, function()
    local pool <close> = mp.Pool(n)
    assert(pool:map(inc, work.list(5000), 1)[5000] == 5001)
  end)
end

return {
  { title = "pool", python = "pool", rows = {
    { "create, close, join a pool of two", mplua = create(2), other = "create 2", limit = "forks 2",
      wanted = 15 },
    { "apply", mplua = apply, other = "apply", limit = "echo 8", wanted = 60 },
    { "apply_async, then get", mplua = apply_async, other = "apply_async", limit = "spsc 64",
      wanted = 15 },
    { "imap_unordered, chunks of 1", mplua = imap_unordered, other = "imap_unordered",
      limit = "spsc 64", wanted = 10 },
    { "map, an item of 100,000", mplua = map(2), other = "map", limit = half_a_loop, n = 100000,
      wanted = 1.7 },
    { "map, an item of 1,000,000", mplua = map(2), other = "map", limit = half_a_loop, n = 1000000,
      wanted = 1.7 },
    { "two workers, work for the processor only", unit = "%", mplua = efficiency,
      other = "efficiency", at_least = 98 },
    { "an idle worker's memory, of 2", unit = "KiB", mplua = memory(2), other = "memory 2",
      limit = "pss 2", at_most = 200 },
    { "an idle worker's memory, of 20", unit = "KiB", mplua = memory(20), other = "memory 20",
      limit = "pss 20", at_most = 200 },
    { "a worker's death is noticed after", unit = "ms", mplua = death, at_most = 50 },
    { "a pool of 500, a worker", mplua = many_workers, n = 500 },
  } },
  { title = "create, close, join a pool", axis = "workers", python = "pool",
    rows = work.series({ 1, 2, 4, 8, 16, 32, 64 }, function(w)
      return { mplua = create(w), other = "create " .. w, limit = "forks " .. w }
    end) },
  { title = "map of 100,000, an item", axis = "workers", python = "pool",
    rows = work.series({ 1, 2, 4, 8, 16, 32, 64 }, function(w)
      return { mplua = map(w), other = "map_by " .. w, n = 100000 }
    end) },
}
