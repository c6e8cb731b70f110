--- One process at a time: lock.acquire(); try: print(...); finally: lock.release()
--
-- Output (any order):
--   hello world 1
--   hello world 2
--   hello world 3
--   hello world 4
--   hello world 5

local mp = require "multiprocessing"

local function greet(lock, number)
  local held <close> = lock:hold() -- released at the end of the block
  if held.abandoned then print "somebody died with the lock" end
  print("hello world " .. number)
end

local lock = mp.Lock()
local ps = {}
for number = 1, 5 do
  ps[number] = mp.Process{ target = greet, args = { lock, number } }
  ps[number]:start()
end
for _, p in ipairs(ps) do p:join() end
