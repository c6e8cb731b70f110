--- joblib: Parallel(n_jobs=-1)(...), n_jobs=1 in this process, the items from a generator
--
-- Output:
--   all processors: 1.0 2.0 3.0
--   here, for debugging: true
--   from a generator: 2 4 6 8
--   an error ends it: odd one out

local mp = require "multiprocessing"

print("all processors: " .. table.concat(mp.parallel(-1, math.sqrt, { 1, 4, 9 }), " "))

local pids = mp.parallel(1, mp.getpid, { 1, 2 })
print("here, for debugging: " .. tostring(pids[1] == mp.getpid()))

local function up_to(n)
  return coroutine.wrap(function()
    for i = 1, n do coroutine.yield(i) end
  end)
end
local doubled = mp.parallel(2, function(x) return 2 * x end, up_to(4))
print("from a generator: " .. table.concat(doubled, " "))

local _, e = pcall(mp.parallel, 2, function(x)
  if x % 2 == 1 then error("odd one out", 0) end
end, { 2, 3, 4 })
print("an error ends it: " .. e.value)
