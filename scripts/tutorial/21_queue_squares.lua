--- Results through a queue: def square(numbers, q): for n in numbers: q.put(n * n)
--
-- Output:
--   1 squared is 1
--   2 squared is 4
--   3 squared is 9
--   4 squared is 16

local mp = require "multiprocessing"

local function square(numbers, q)
  for _, n in ipairs(numbers) do q:put{ n, n * n } end
end

local numbers = { 1, 2, 3, 4 }
local q = mp.Queue()
local p = mp.Process{ target = square, args = { numbers, q } }
p:start()
p:join() -- a queue that is not drained yet does not hold it up
while not q:empty() do
  local r = q:get()
  print(("%d squared is %d"):format(r[1], r[2]))
end
