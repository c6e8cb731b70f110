--- A consumer waits until a producer has made something: with cond: cond.wait_for(...)
--
-- Output:
--   got 1
--   got 2
--   got 3

local mp = require "multiprocessing"

local function produce(cond, slot)
  for i = 1, 3 do
    local _ <close> = cond:hold()
    cond:wait_for(function() return slot.value == 0 end)
    slot.value = i
    cond:notify()
  end
end

local cond, slot = mp.Condition(), mp.RawValue("i", 0)
local p = mp.Process{ target = produce, args = { cond, slot } }
p:start()
for _ = 1, 3 do
  local _ <close> = cond:hold()
  cond:wait_for(function() return slot.value ~= 0 end)
  print("got " .. slot.value)
  slot.value = 0
  cond:notify()
end
p:join()
