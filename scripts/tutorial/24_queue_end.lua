--- Telling consumers that all is done: q.shutdown() (Python needs a sentinel for each of them)
--
-- Output:
--   1 + ... + 100 = 5050

local mp = require "multiprocessing"

local function sum(q, results)
  local total = 0
  for _, n in q:iter() do total = total + n end
  results:put(total)
end

local q, results = mp.Queue(), mp.Queue()
for _ = 1, 3 do
  mp.Process{ target = sum, args = { q, results } }:start()
end
for i = 1, 100 do q:put(i) end
q:shutdown()
print("1 + ... + 100 = " .. results:get() + results:get() + results:get())
