--- A Namespace: global.x = 10, global.y = 'hello'
--
-- Output:
--   Namespace(x = 10, y = "hello")
--   Namespace(from = "the child", x = 11, y = "hello")
--   nil

local mp = require "multiprocessing"

local manager <close> = mp.Manager()
local global = manager:Namespace()
global.x = 10
global.y = "hello"
print(global)

local p = mp.Process{ target = function()
  global.x = global.x + 1
  global.from = "the child"
end }
p:start()
p:join()
print(global)
print(global.never_set)
