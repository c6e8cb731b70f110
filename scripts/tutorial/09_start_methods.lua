--- Start methods: get_context('spawn'), set_start_method('forkserver')
--
-- Output:
--   start methods: fork spawn forkserver
--   the default here: fork
--   hello from a fork child
--   hello from a spawn child
--   hello from a forkserver child
--   now it is spawn
-- Methods: fork

local mp = require "multiprocessing"

local function greet(method)
  print(("hello from a %s child"):format(method))
end

print("start methods: " .. table.concat(mp.get_all_start_methods(), " "))
print("the default here: " .. mp.get_start_method())
for _, method in ipairs(mp.get_all_start_methods()) do
  local ctx = mp.get_context(method)
  local p = ctx.Process{ target = greet, args = { method } }
  p:start()
  p:join()
end
mp.set_start_method("spawn")
print("now it is " .. mp.get_start_method())
