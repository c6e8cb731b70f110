--- Five workers and one queue: ps = [Process(target=f, args=(q, i)) for i in range(5)]
--
-- Output (any order):
--   worker 1 gives 10
--   worker 2 gives 20
--   worker 3 gives 30
--   worker 4 gives 40
--   worker 5 gives 50

local mp = require "multiprocessing"

local function work(q, i)
  q:put(("worker %d gives %d"):format(i, i * 10))
end

local q = mp.Queue()
local workers = {}
for i = 1, 5 do
  workers[i] = mp.Process{ target = work, args = { q, i } }
  workers[i]:start()
end
for _ = 1, 5 do print(q:get()) end
for _, p in ipairs(workers) do p:join() end
