--- Many processes, one log: QueueHandler in the workers, QueueListener in one place
--
-- Output (any order):
--   [worker 1] starts
--   [worker 1] has 10
--   [worker 2] starts
--   [worker 2] has 20

local mp = require "multiprocessing"

local function listen(log)
  for _, record in log:iter() do print(("[%s] %s"):format(record.who, record.text)) end
end

local function work(log, i)
  local function say(text) log:put{ who = mp.current_process().name, text = text } end
  say "starts"
  say("has " .. i * 10)
end

local log = mp.Queue()
local listener = mp.Process{ target = listen, args = { log } }
listener:start()
local workers = {}
for i = 1, 2 do
  workers[i] = mp.Process{ name = "worker " .. i, target = work, args = { log, i } }
  workers[i]:start()
end
for _, p in ipairs(workers) do p:join() end
log:shutdown()
listener:join()
