--- Waiting until all is worked off: q = JoinableQueue(); q.task_done(); q.join()
--
-- Output:
--   all 10 tasks are done

local mp = require "multiprocessing"

local function work(q, done)
  for _, task in q:iter() do
    done:put(task)
    q:task_done()
  end
end

local q, done = mp.JoinableQueue(), mp.Queue()
for _ = 1, 2 do
  mp.Process{ target = work, args = { q, done }, daemon = true }:start()
end
for i = 1, 10 do q:put(i) end
q:join()
print(("all %d tasks are done"):format(done:qsize()))
