--- Five workers that say their names: jobs.append(p); p.start()
--
-- Output (any order):
--   worker 1 is Process-1
--   worker 2 is Process-2
--   worker 3 is Process-3
--   worker 4 is Process-4
--   worker 5 is Process-5

local mp = require "multiprocessing"

local function worker(number)
  print(("worker %d is %s"):format(number, mp.current_process().name))
end

local jobs = {}
for number = 1, 5 do
  local p = mp.Process{ target = worker, args = { number } }
  table.insert(jobs, p)
  p:start()
end
for _, p in ipairs(jobs) do p:join() end
