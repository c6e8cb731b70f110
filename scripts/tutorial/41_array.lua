--- An array that a child fills: for i in range(len(arr)): arr[i] = i * i
--
-- Output:
--   1 4 9 16 25
--   the last two: 16 25

local mp = require "multiprocessing"

local function squares(arr)
  for i = 1, #arr do arr[i] = i * i end
end

local arr = mp.Array("i", 5) -- new memory is zero
local p = mp.Process{ target = squares, args = { arr } }
p:start()
p:join()
print(table.concat(arr:totable(), " "))
print("the last two: " .. table.concat(arr:slice(-2), " "))
