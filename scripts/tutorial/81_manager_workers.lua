--- Five workers report in one dict: return_dict[procnum] = procnum * procnum
--
-- Output:
--   1: square 1 by worker 1
--   2: square 4 by worker 2
--   3: square 9 by worker 3
--   4: square 16 by worker 4
--   5: square 25 by worker 5
--   order of the list: {1, 2, 3, 4, 5}

local mp = require "multiprocessing"

local function worker(number, results, order)
  results[number] = { square = number * number, name = "worker " .. number }
  order:append(number)
end

local manager <close> = mp.Manager()
local results, order = manager:dict(), manager:list()

local workers = {}
for i = 1, 5 do
  workers[i] = mp.Process{ target = worker, args = { i, results, order } }
  workers[i]:start()
end
for _, p in ipairs(workers) do p:join() end

for i = 1, #results do
  local r = results[i] -- a copy; a field of it is read here, not in the dict
  print(("%d: square %d by %s"):format(i, r.square, r.name))
end
order:sort()
print("order of the list: " .. tostring(order))
