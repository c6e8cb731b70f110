--- A manager's dict and list: with Manager() as manager: d = manager.dict(); l.reverse()
--
-- There is no server process: both lie in memory that all processes of the family share.
--
-- Output:
--   {[0.25] = false, [1] = "1", ["2"] = 2}
--   {9, 8, 7, 6, 5, 4, 3, 2, 1, 0}

local mp = require "multiprocessing"

local function f(d, l)
  d[1] = "1"
  d["2"] = 2
  d[0.25] = false -- Python's example has None; nil would remove the key
  l:reverse()
end

local manager <close> = mp.Manager()
local d = manager:dict()
local l = manager:list{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }

local p = mp.Process{ target = f, args = { d, l } }
p:start()
p:join()
print(d)
print(l)
