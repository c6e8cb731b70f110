--- pool.lua: pools while their workers are killed at random
-- MIT licence, see LICENSE
--
-- usage: mplua spec/stress/pool.lua [SECONDS]
--
-- Maps, calls and iterators of all sorts run, while a killer shoots workers at random moments. With
-- enough retries each result must be there, once and right. The seed is printed.

local mp = require "multiprocessing"

local seconds = tonumber(arg[1]) or 60
local seed = tonumber(os.getenv "SEED") or os.time()
math.randomseed(seed)
print("seed " .. seed)

-- kills one of the pids in the list now and then
local function killer(pids, stop)
  math.randomseed(seed)
  while not stop:is_set() do
    mp.sleep(math.random() * 0.02)
    local pid = pids[math.random(#pids)]
    if pid ~= 0 then pcall(mp.kill, pid, 9) end
  end
end

local function work(x, weight)
  local sum = 0
  for i = 1, weight do sum = sum + i % 7 end
  return x, sum
end

local function check(ok, what)
  if ok then return end
  io.stderr:write("FAILED: ", what, "\n")
  os.exit(1)
end

local rounds, lost = 0, 0

local function one_round(pool, items)
  local weight = 10 ^ math.random(1, 4) // 1
  local function f(x) return (work(x, weight)) end
  local kind = math.random(4)
  local options = { retries = 10000, chunksize = math.random(3) == 1 and math.random(20) or nil }
  if kind == 1 then
    local r = pool:map(f, items, options)
    for i = 1, #items do check(r[i] == items[i], "map: item " .. i) end
  elseif kind == 2 then
    local n = 0
    for i, v in pool:imap(f, items, options) do
      n = n + 1
      check(i == n and v == items[i], "imap: item " .. i)
    end
    check(n == #items, "imap: number of items")
  elseif kind == 3 then
    local seen, n = {}, 0
    for i, v in pool:imap_unordered(f, items, options) do
      check(not seen[i] and v == items[i], "imap_unordered: item " .. i)
      seen[i], n = true, n + 1
    end
    check(n == #items, "imap_unordered: number of items")
  else
    local results = {}
    for i = 1, #items do
      results[i] = pool:apply_async(f, { items[i] }, { retries = 10000 })
    end
    for i, r in ipairs(results) do check(r:get(60) == items[i], "apply_async: item " .. i) end
  end
end

local function random_items()
  local items = {}
  for i = 1, math.random(400) do
    items[i] = math.random(2) == 1 and i or ("text %d "):format(i):rep(math.random(200))
  end
  return items
end

local finish = mp.now() + seconds
while mp.now() < finish do
  local n = math.random(4)
  local pool = mp.Pool(n)
  local pids, stop = mp.RawArray("q", n), mp.Event()
  local shooter = mp.Process { target = killer, args = { pids, stop }, daemon = true }
  shooter:start()
  for _ = 1, 20 do
    for i, w in ipairs(pool:stats().workers) do pids[i] = w.pid end
    one_round(pool, random_items())
    rounds = rounds + 1
  end
  stop:set()
  shooter:join()
  lost = lost + pool:stats().lost
  if math.random(2) == 1 then pool:terminate() else pool:close() end
  check(pool:join(30), "join")
end
print(("%d rounds, %d workers lost under their tasks: all results right"):format(rounds, lost))
