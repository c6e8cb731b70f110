--- What Python's pool hangs on: a worker that is killed in the middle of pool.map
--
-- Output:
--   the worker was lost with signal 9, item 2
--   with retries: 1 4 9

local mp = require "multiprocessing"

local pool <close> = mp.Pool(2)
local ok, e = pcall(pool.map, pool, function(x)
  if x == 2 then mp.kill(mp.getpid(), "SIGKILL") end
  return x * x
end, { 1, 2, 3 })
if not ok and mp.iserror(e, "WorkerLostError") then
  print(("the worker was lost with signal %d, item %d"):format(e.signal, e.item))
end

local tries = mp.Value("i", 0)
local squares = pool:map(function(x)
  if x == 2 and tries:add(1) < 3 then mp.kill(mp.getpid(), "SIGKILL") end
  return x * x
end, { 1, 2, 3 }, { retries = 3 })
print("with retries: " .. table.concat(squares, " "))
