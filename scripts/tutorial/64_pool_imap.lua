--- Results as they come: for x in pool.imap(f, range(10)) and pool.imap_unordered(f, range(10))
--
-- Output:
--   in order: 0 1 4 9 16 25 36 49 64 81
--   in any order, sorted: 0 1 4 9 16 25 36 49 64 81

local mp = require "multiprocessing"

local function f(x) return x * x end

local items = {}
for i = 0, 9 do items[#items + 1] = i end

local pool <close> = mp.Pool(4)
local list = {}
for i, r in pool:imap(f, items) do list[i] = r end -- i is the item's place
print("in order: " .. table.concat(list, " "))

list = {}
for _, r in pool:imap_unordered(f, items) do list[#list + 1] = r end
table.sort(list)
print("in any order, sorted: " .. table.concat(list, " "))
