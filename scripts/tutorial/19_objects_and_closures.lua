--- Objects of a class, lambdas, local functions as arguments (Python: cannot pickle local object)
--
-- Output:
--   doing something fancy in Process-1 for Fancy Dan
--   a closure counts from 10: 11 12
--   a function in a table: 42
--   its class is known: true

local mp = require "multiprocessing"

MyFancyClass = {} -- luacheck: ignore (a class is known by its global name, or by its module)
local MyFancyClass <const> = MyFancyClass -- luacheck: ignore
MyFancyClass.__index = MyFancyClass

function MyFancyClass:do_something()
  print(("doing something fancy in %s for %s"):format(mp.current_process().name, self.name))
end

local function worker(q, answers)
  q:get():do_something()
  local counter = q:get()
  answers:put{ counter(), counter() }
  answers:put(q:get().f(6, 7))
  answers:put(setmetatable({ name = "back" }, MyFancyClass))
end

local q, answers = mp.Queue(), mp.Queue()
local p = mp.Process{ target = worker, args = { q, answers } }
p:start()
q:put(setmetatable({ name = "Fancy Dan" }, MyFancyClass))

local n = 10
q:put(function()
  n = n + 1
  return n
end)
q:put{ f = function(a, b) return a * b end }
p:join()
print("a closure counts from 10: " .. table.concat(answers:get(), " "))
print("a function in a table: " .. answers:get())
print("its class is known: " .. tostring(getmetatable(answers:get()) == MyFancyClass))
