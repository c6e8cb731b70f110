--- An error in a task is raised by get: try: res.get() except ZeroDivisionError
--
-- Output:
--   division by zero
--   it was raised in another process: true
--   the traceback names the function: true
--   { code = 7 } arrives as a table: 7
--   others are not touched: 5

local mp = require "multiprocessing"

local function divide(a, b)
  if b == 0 then error("division by zero", 0) end
  return a // b
end

local pool <close> = mp.Pool(2)
local result = pool:apply_async(divide, { 1, 0 })
local _, e = pcall(result.get, result)
print(e.value)
print("it was raised in another process: " .. tostring(e.pid ~= mp.getpid()))
print("the traceback names the function: " .. tostring(e.traceback:find "66_pool_errors" ~= nil))

_, e = pcall(pool.apply, pool, error, { { code = 7 } })
print("{ code = 7 } arrives as a table: " .. e.value.code)
print("others are not touched: " .. pool:apply(divide, { 10, 2 }))
