--- Nested objects: a table in a dict is a copy, a list of the manager in it is shared
--
-- Output:
--   a copy: {1, 2}
--   stored again: {1, 2, 3}
--   shared: {1, 2, "from the child"}
--   deeper: {{}, {a = 1, b = {2}}}

local mp = require "multiprocessing"

local manager <close> = mp.Manager()
local d = manager:dict{ plain = { 1, 2 }, shared = manager:list{ 1, 2 } }

table.insert(d.plain, 3) -- into the copy that d.plain gave
print("a copy: {" .. table.concat(d.plain, ", ") .. "}")

local t = d.plain
table.insert(t, 3)
d.plain = t
print("stored again: {" .. table.concat(d.plain, ", ") .. "}")

local p = mp.Process{ target = function()
  d.shared:append "from the child"
  d.deeper = manager:list{ manager:dict(), manager:dict{ a = 1 } }
end }
p:start()
p:join()
print("shared: " .. tostring(d.shared))

d.deeper[2].b = { 2 } -- two steps, each to a shared object
print("deeper: " .. tostring(d.deeper))
