--- A party that does not come: except BrokenBarrierError; barrier.abort(), barrier.reset()
--
-- Output:
--   alone for 0.05 s: BrokenBarrierError
--   broken: true
--   after reset: 0 wait, broken: false
--   together: places 1 and 2

local mp = require "multiprocessing"

local barrier = mp.Barrier(2)
local _, e = pcall(barrier.wait, barrier, 0.05)
print("alone for 0.05 s: " .. e.name)
print("broken: " .. tostring(barrier.broken))

barrier:reset()
print(("after reset: %d wait, broken: %s"):format(barrier.n_waiting, barrier.broken))

local places = mp.Queue()
local p = mp.Process{ target = function() places:put(barrier:wait()) end }
p:start()
places:put(barrier:wait())
p:join()
local a, b = places:get(), places:get()
print(("together: places %d and %d"):format(math.min(a, b), math.max(a, b)))
