--- Many small messages with one call: q.put_many(list), q.get_many(max) (Python has neither)
--
-- Output:
--   the sum of 10000 numbers is 50005000
--   in fewer than 10000 calls: true

local mp = require "multiprocessing"

local function produce(q)
  local batch = {}
  for i = 1, 10000 do
    batch[#batch + 1] = i
    if #batch == 500 then
      q:put_many(batch)
      batch = {}
    end
  end
  q:shutdown()
end

local q = mp.Queue()
local p = mp.Process{ target = produce, args = { q } }
p:start()
local sum, count, calls = 0, 0, 0
while true do
  local ok, batch = pcall(q.get_many, q, 1000) -- at least one, then what is there
  if not ok then break end -- ShutDown: drained
  for _, n in ipairs(batch) do sum = sum + n end
  count, calls = count + batch.n, calls + 1
end
p:join()
print(("the sum of %d numbers is %d"):format(count, sum))
print("in fewer than 10000 calls: " .. tostring(calls < 10000))
