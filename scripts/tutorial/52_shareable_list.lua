--- A list in shared memory: sl = ShareableList(["howdy", b"HoWdY", -273.154, 100, None, True, 42])
--
-- Output:
--   7 howdy -273.154 100 nil true 42
--   2000.0 dry ice 3

local mp = require "multiprocessing"

local list = mp.ShareableList{ "howdy", "HoWdY", -273.154, 100, nil, true, 42, n = 7 }
print(("%d %s %s %s %s %s %s"):format(#list, list[1], list[3], list[4], list[5], list[6], list[7]))

local function change(l)
  l[3] = 2000.0
  l[2] = "dry ice" -- it has the room that its first value needed, or a little more
end

local p = mp.Process{ target = change, args = { list } }
p:start()
p:join()
print(("%s %s %d"):format(list[3], list[2], list:index(2000.0)))
