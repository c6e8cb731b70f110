--- A queue: q = Queue(); p = Process(target=f, args=(q,)); p.start(); print(q.get())
--
-- Output:
--   {42, nil, "hello"}

local mp = require "multiprocessing"

local function f(q)
  q:put{ 42, nil, "hello", n = 3 }
end

local q = mp.Queue()
local p = mp.Process{ target = f, args = { q } }
p:start()
local v = q:get()
print(("{%s, %s, %q}"):format(v[1], v[2], v[3]))
p:join()
