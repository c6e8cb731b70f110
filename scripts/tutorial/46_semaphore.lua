--- At most two at work: with semaphore: ...
--
-- Output:
--   6 jobs done, never more than 2 at once: true

local mp = require "multiprocessing"

local function job(places, working, most, done)
  places:acquire()
  local now = working:add(1)
  most:update(function(m) return math.max(m, now) end)
  mp.sleep(0.01)
  working:add(-1)
  done:add(1)
  places:release()
end

local places = mp.Semaphore(2)
local working, most, done = mp.Value("i", 0), mp.Value("i", 0), mp.Value("i", 0)
local ps = {}
for i = 1, 6 do
  ps[i] = mp.Process{ target = job, args = { places, working, most, done } }
  ps[i]:start()
end
for _, p in ipairs(ps) do p:join() end
print(("%d jobs done, never more than 2 at once: %s"):format(done.value, most.value <= 2))
