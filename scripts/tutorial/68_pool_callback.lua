--- Callbacks: pool.apply_async(f, (x,), callback=log, error_callback=fail)
--
-- Output (any order):
--   result 1
--   result 4
--   failed: three
--   result 16

local mp = require "multiprocessing"

local function f(x)
  if x == 3 then error("three", 0) end
  return x * x
end

local pool <close> = mp.Pool(2)
for x = 1, 4 do
  pool:apply_async(f, { x }, {
    callback = function(r) print("result " .. r) end,
    error_callback = function(e) print("failed: " .. e.value) end,
  })
end
-- callbacks run here, in this process, while the block's end waits for the tasks
