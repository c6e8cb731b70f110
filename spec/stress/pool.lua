--- pool.lua: pools while their workers are killed at random
-- MIT licence, see LICENSE
--
-- usage: mplua spec/stress/pool.lua [SECONDS = 20]
--
-- Maps, calls and iterators of all sorts run, while a killer shoots workers at random moments. With
-- enough retries each result must be there, once and right.

package.path = "./?.lua;" .. package.path
local mp = require "multiprocessing"
local s = require "spec.stress.storm".begin "pool"

-- Kills one of the pids in the list now and then, and sees whether the others go on.
local function shoot(pids, stop)
  while not stop:is_set() do
    mp.sleep(math.random() * 0.02)
    local pid = pids[math.random(#pids)]
    local start, before = mp.now(), s.moved.value
    if pid ~= 0 and pcall(mp.kill, pid, 9) then
      s.kills:add(1)
      while s.moved.value == before and not stop:is_set() and mp.now() < start + 30 do
        mp.sleep(0.001)
      end
      if not stop:is_set() then s:await_recovery(start, before) end
    end
  end
end

local function work(x, weight)
  local sum = 0
  for i = 1, weight do sum = sum + i % 7 end
  s.moved:add(1)
  return x, sum
end

local rounds = {}

function rounds.map(pool, f, items, options)
  local r = pool:map(f, items, options)
  for i = 1, #items do s:check(r[i] == items[i], "map: item %d", i) end
end

function rounds.imap(pool, f, items, options)
  local n = 0
  for i, v in pool:imap(f, items, options) do
    n = n + 1
    s:check(i == n and v == items[i], "imap: item %d", i)
  end
  s:check(n == #items, "imap: %d of %d items", n, #items)
end

function rounds.imap_unordered(pool, f, items, options)
  local seen, n = {}, 0
  for i, v in pool:imap_unordered(f, items, options) do
    s:check(not seen[i] and v == items[i], "imap_unordered: item %d", i)
    seen[i], n = true, n + 1
  end
  s:check(n == #items, "imap_unordered: %d of %d items", n, #items)
end

function rounds.apply_async(pool, f, items)
  local results = {}
  for i = 1, #items do
    results[i] = pool:apply_async(f, { items[i] }, { retries = 10000 })
  end
  for i, r in ipairs(results) do s:check(r:get(60) == items[i], "apply_async: item %d", i) end
end

local names = {}
for name in pairs(rounds) do names[#names + 1] = name end
table.sort(names)

local function random_items()
  local items = {}
  for i = 1, math.random(400) do
    items[i] = math.random(2) == 1 and i or ("text %d "):format(i):rep(math.random(200))
  end
  return items
end

local function one_round(pool, items)
  local weight = 10 ^ math.random(1, 4) // 1
  local function f(x) return (work(x, weight)) end
  local options = { retries = 10000, chunksize = math.random(3) == 1 and math.random(20) or nil }
  rounds[names[math.random(#names)]](pool, f, items, options)
  return #items
end

local function one_pool()
  local n, done = math.random(4), 0
  local pool = mp.Pool(n)
  local pids, stop = mp.RawArray("q", n), mp.Event()
  local shooter = s:start(shoot, pids, stop)
  for _ = 1, 20 do
    for i, w in ipairs(pool:stats().workers) do pids[i] = w.pid end
    done = done + one_round(pool, random_items())
  end
  stop:set()
  shooter:join()
  if math.random(2) == 1 then pool:terminate() else pool:close() end
  s:check(pool:join(30), "a pool cannot be joined")
  return done
end

local operations = 0
while s:goes_on() do operations = operations + one_pool() end
s:finish(operations)
