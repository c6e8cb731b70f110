--- Producer and consumer: while not q.empty(): print(q.get())
--
-- Output:
--   putting item 1
--   putting item 2
--   putting item 3
--   got item 1
--   got item 2
--   got item 3
--   the queue is empty: true

local mp = require "multiprocessing"

local function produce(q)
  for i = 1, 3 do
    print("putting item " .. i)
    q:put("item " .. i)
  end
end

local function consume(q)
  while not q:empty() do print("got " .. q:get()) end
end

local q = mp.Queue()
local producer = mp.Process{ target = produce, args = { q } }
producer:start()
producer:join()
local consumer = mp.Process{ target = consume, args = { q } }
consumer:start()
consumer:join()
print("the queue is empty: " .. tostring(q:empty()))
