--- Both, with arithmetic in the child: n.value = 3.1415927; arr[i] = -arr[i]
--
-- Output:
--   3.1415927
--   0, -1, -2, -3, -4, -5, -6, -7, -8, -9

local mp = require "multiprocessing"

local function work(n, arr)
  n.value = n.value + 3.1415927
  for i, x in ipairs(arr) do arr[i] = -x end
end

local num = mp.Value("d", 0.0)
local arr = mp.Array("i", { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 })

local p = mp.Process{ target = work, args = { num, arr } }
p:start()
p:join()
print(num.value)
print(table.concat(arr:totable(), ", "))
