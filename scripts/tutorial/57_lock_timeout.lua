--- A lock that is not free: lock.acquire(block=False), lock.acquire(timeout=0.05), lock.locked()
--
-- Output:
--   without waiting: false
--   for 0.05 s: false
--   locked: true
--   another process may release it: true

local mp = require "multiprocessing"

local lock, taken, done = mp.Lock(), mp.Event(), mp.Event()
local p = mp.Process{ target = function()
  lock:acquire()
  taken:set()
  done:wait()
end }
p:start()
taken:wait()
print("without waiting: " .. tostring((lock:acquire(false))))
print("for 0.05 s: " .. tostring((lock:acquire(true, 0.05))))
print("locked: " .. tostring(lock:locked()))
lock:release() -- a Lock, not an RLock
print("another process may release it: " .. tostring(not lock:locked()))
done:set()
p:join()
