--- A process: p = Process(target=f, args=('bob',)); p.start(); p.join()
--
-- Output:
--   hello bob

local mp = require "multiprocessing"

local function f(name)
  print("hello " .. name)
end

local p = mp.Process{ target = f, args = { "bob" } }
p:start()
p:join()
