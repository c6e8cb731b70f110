--- A result that does not come in time: pool.apply_async(time.sleep, (10,)).get(timeout=1)
--
-- Output:
--   TimeoutError: no result within 0.1 s
--   the pool still works: 42

local mp = require "multiprocessing"

local pool = mp.Pool(2)
local result = pool:apply_async(mp.sleep, { 10 })
local ok, e = pcall(result.get, result, 0.1)
if not ok and mp.iserror(e, "TimeoutError") then print(e) end
print("the pool still works: " .. pool:apply(function() return 42 end))
pool:terminate() -- the sleeper is still at it
pool:join()
