--- A number that a child changes and the parent sees: num.value = 3.1415927
--
-- Output:
--   in the child: 0.0
--   in the parent: 3.1415927

local mp = require "multiprocessing"

local function work(num)
  print("in the child: " .. num.value)
  num.value = 3.1415927
end

local num = mp.Value("d", 0.0)
local p = mp.Process{ target = work, args = { num } }
p:start()
p:join()
print("in the parent: " .. num.value)
