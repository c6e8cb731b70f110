--- Errors while iterating: it = pool.imap(f, range(10)); next(it); it.next(timeout=0.02)
--
-- Output:
--   item 6: division by zero
--   the others: 1 2 3 4 5 7 8 9 10
--   map raises it when all is done: division by zero
--   not yet, not yet: TimeoutError
--   then: 1 done

local mp = require "multiprocessing"

local function f(x)
  if x == 5 then error("division by zero", 0) end
  return 1 / (x - 5)
end

local items = {}
for x = 0, 9 do items[#items + 1] = x end

local pool <close> = mp.Pool(2)
local it, good = pool:imap(f, items), {}
for place = 1, 10 do
  local ok, i = pcall(it.next, it) -- goes on behind an error
  if ok then good[#good + 1] = i else print(("item %d: %s"):format(place, i.value)) end
end
print("the others: " .. table.concat(good, " "))

local _, e = pcall(pool.map, pool, f, items)
print("map raises it when all is done: " .. e.value)

local gate = mp.Event()
it = pool:imap(function()
  gate:wait()
  return "done"
end, { 1 })
_, e = pcall(it.next, it, 0.02)
print("not yet, not yet: " .. e.name)
gate:set()
print(("then: %d %s"):format(it:next()))
