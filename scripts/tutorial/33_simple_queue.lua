--- SimpleQueue: put, get, empty, close
--
-- Output:
--   empty: true
--   got a, b, c
--   empty: true

local mp = require "multiprocessing"

local q = mp.SimpleQueue()
print("empty: " .. tostring(q:empty()))
local p = mp.Process{ target = function()
  for _, letter in ipairs { "a", "b", "c" } do q:put(letter) end
end }
p:start()
print(("got %s, %s, %s"):format(q:get(), q:get(), q:get()))
p:join()
print("empty: " .. tostring(q:empty()))
q:close()
