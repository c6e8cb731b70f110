--- A counter without lost updates: with v.get_lock(): v.value += 1
--
-- Output:
--   under its lock: 4000
--   by add: 4000

local mp = require "multiprocessing"

local function count(locked, added)
  for _ = 1, 1000 do
    locked:with(function() locked.value = locked.value + 1 end)
    added:add(1) -- the same in one call
  end
end

local locked, added = mp.Value("i", 0), mp.Value("i", 0)
local ps = {}
for i = 1, 4 do
  ps[i] = mp.Process{ target = count, args = { locked, added } }
  ps[i]:start()
end
for _, p in ipairs(ps) do p:join() end
print("under its lock: " .. locked.value)
print("by add: " .. added.value)
