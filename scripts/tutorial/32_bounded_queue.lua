--- A producer that does not run ahead: Queue(maxsize=3)
--
-- Output:
--   never more than 3 waited
--   all 20 came, in order: true

local mp = require "multiprocessing"

local function produce(q, n)
  for i = 1, n do q:put(i) end -- waits while 3 are there
  q:shutdown()
end

local q = mp.Queue(3)
local p = mp.Process{ target = produce, args = { q, 20 } }
p:start()
local most, in_order, last = 0, true, 0
for _, i in q:iter() do
  most = math.max(most, q:qsize())
  in_order, last = in_order and i == last + 1, i
end
p:join()
print(most <= 3 and "never more than 3 waited" or most .. " waited")
print(("all %d came, in order: %s"):format(last, in_order))
