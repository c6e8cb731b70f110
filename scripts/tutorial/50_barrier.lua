--- Three processes go on together, step by step: barrier.wait()
--
-- Output:
--   step 1 done by 3
--   step 2 done by 3

local mp = require "multiprocessing"

local done = mp.Value("i", 0)
local step = mp.Value("i", 0)

local barrier = mp.Barrier(3, function() -- run by one of them, before all go on
  print(("step %d done by %d"):format(step:add(1), done.value))
  done.value = 0
end)

local function work()
  for _ = 1, 2 do
    done:add(1)
    barrier:wait()
  end
end

local ps = {}
for i = 1, 3 do
  ps[i] = mp.Process{ target = work }
  ps[i]:start()
end
for _, p in ipairs(ps) do p:join() end
