--- A manager of one's own classes: class MathsClass, MyManager.register('Maths', MathsClass)
--
-- Output:
--   7
--   56
--   10
--   11 12 13

local mp = require "multiprocessing"

local Maths = {}
function Maths.add(_, x, y) return x + y end
function Maths.mul(_, x, y) return x * y end

local Counter = {}
Counter.__index = Counter
function Counter.new(n) return setmetatable({ n = n }, Counter) end

function Counter:increment()
  self.n = self.n + 1
  return self.n
end

local MyManager = mp.BaseManager:extend "MyManager"
MyManager:register("Maths", function() return Maths end)
MyManager:register("Counter", Counter)

local manager <close> = MyManager():start()
local maths = manager:Maths()
print(maths:add(4, 3))
print(maths:mul(7, 8))

-- The counter lives in the manager's process; children use it through proxies.
local counter = manager:Counter(0)
local processes = {}
for i = 1, 5 do
  processes[i] = mp.Process{ target = function(c)
    c:increment()
    c:increment()
  end, args = { counter } }
  processes[i]:start()
end
for _, p in ipairs(processes) do p:join() end
print(counter:increment() - 1)
print(("%d %d %d"):format(counter:increment() - 1, counter:increment() - 1,
  counter:increment() - 1))
