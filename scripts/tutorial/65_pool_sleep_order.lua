--- Sleeping workers, results in order: def work(x): time.sleep(x); return x; pool.map(work, [...])
--
-- Output:
--   0.03 0.01 0.02
--   done in the time of the longest: true

local mp = require "multiprocessing"

local function work(seconds)
  mp.sleep(seconds)
  return seconds
end

local pool <close> = mp.Pool(3)
local began = mp.now()
print(table.concat(pool:map(work, { 0.03, 0.01, 0.02 }, 1), " "))
print("done in the time of the longest: " .. tostring(mp.now() - began < 0.06 * 5))
