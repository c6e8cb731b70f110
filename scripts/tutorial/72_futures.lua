--- Futures: future = executor.submit(pow, 323, 1235); for f in as_completed(futures): f.result()
--
-- Output:
--   2 to the power of 10 is 1024.0
--   sum of all: 30
--   one of them failed: too large

local mp = require "multiprocessing"

local executor <close> = mp.ProcessPoolExecutor{ max_workers = 2 }
local future = executor:submit(function(x, y) return x ^ y end, 2, 10)
print("2 to the power of 10 is " .. future:result())

local futures, sum = {}, 0
for i = 1, 4 do futures[i] = executor:submit(function(x) return x * x end, i) end
for done in mp.futures.as_completed(futures) do sum = sum + done:result() end
print("sum of all: " .. sum)

local bad = executor:submit(function() error("too large", 0) end)
print("one of them failed: " .. bad:exception().value)
