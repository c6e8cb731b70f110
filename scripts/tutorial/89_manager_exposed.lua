--- What a proxy shows: exposed=, method_to_typeid=, names with an underscore
--
-- Output:
--   f: you called Foo.f()
--   g: you called Foo.g()
--   _h: you called Foo._h()
--   f of the second is not exposed
--   0 1 4 9 16
--   5 items, the third is 4

local mp = require "multiprocessing"

local Foo = {}
Foo.__index = Foo
function Foo.new() return setmetatable({}, Foo) end
function Foo.f() return "you called Foo.f()" end
function Foo.g() return "you called Foo.g()" end
function Foo._h() return "you called Foo._h()" end

-- Its results are no copies: they stay in the server.
local Squares = {}
Squares.__index = Squares
function Squares.new(n) return setmetatable({ n = n }, Squares) end

function Squares:iterate()
  local i = -1
  return { next = function()
    i = i + 1
    return i < self.n and i * i or nil
  end }
end

function Squares:list()
  local t = {}
  for i = 1, self.n do t[i] = (i - 1) ^ 2 // 1 | 0 end
  return t
end

local MyManager = mp.BaseManager:extend "MyManager"
MyManager:register("Foo1", Foo) -- f and g
MyManager:register("Foo2", Foo, { exposed = { "g", "_h" } })
MyManager:register "Iterator"
MyManager:register("Items", nil, { exposed = { "__len", "__index" } })
MyManager:register("Squares", Squares,
  { method_to_typeid = { iterate = "Iterator", list = "Items" } })

local manager <close> = MyManager():start()
local f1, f2 = manager:Foo1(), manager:Foo2()
print("f: " .. f1:f())
print("g: " .. f2:g())
print("_h: " .. f2:_h())
if not pcall(function() f2:f() end) then print "f of the second is not exposed" end

local iterator, all = manager:Squares(5):iterate(), {}
for n in function() return iterator:next() end do all[#all + 1] = n end
print(table.concat(all, " "))

local items = manager:Squares(5):list()
print(("%d items, the third is %d"):format(#items, items[3]))
