--- Giving up: result.cancel() (Python has none), pool.terminate(), timeout of a task
--
-- Output:
--   cancelled: true CancelledError
--   too long: TimeoutError, item 2
--   the pool works on: 49
--   after terminate: CancelledError
--   a new call: ClosedError

local mp = require "multiprocessing"

local function name_of_error(f, ...)
  local ok, e = pcall(f, ...)
  return ok and "no error" or e.name, e
end

local pool = mp.Pool(2)
local endless = pool:apply_async(mp.sleep, { 3600 })
print("cancelled: " .. tostring(endless:cancel()) .. " " .. name_of_error(endless.get, endless))

local name, e = name_of_error(pool.map, pool, mp.sleep, { 0, 3600 }, { timeout = 0.5 })
print(("too long: %s, item %d"):format(name, e.item))
print("the pool works on: " .. pool:apply(function(x) return x * x end, { 7 }))

local pending = pool:map_async(mp.sleep, { 3600, 3600, 3600 })
pool:terminate()
print("after terminate: " .. name_of_error(pending.get, pending))
print("a new call: " .. name_of_error(pool.map, pool, mp.sleep, { 0 }))
pool:join()
