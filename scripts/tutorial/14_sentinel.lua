--- Whoever ends first: multiprocessing.connection.wait([p.sentinel for p in processes])
--
-- Output:
--   the first to end: quick
--   the other one still runs: true
--   both have ended: true

local mp = require "multiprocessing"

local go = mp.Event()
local slow = mp.Process{ name = "slow", target = function() go:wait() end }
local quick = mp.Process{ name = "quick", target = function() end }
slow:start()
quick:start()

local ready = mp.wait{ slow, quick } -- processes stand for their sentinels
print("the first to end: " .. ready[1].name)
print("the other one still runs: " .. tostring(slow:is_alive()))
go:set()
mp.wait{ slow.sentinel } -- a descriptor, for other event loops
print("both have ended: " .. tostring(slow:join() and quick:join()))
