--- No `if __name__ == '__main__'`: the child runs the function, not the script, by any start method
--
-- Output:
--   this line appears once
--   fork: bob, 3 upvalues deep, main script run again: false
--   spawn: bob, 3 upvalues deep, main script run again: false
--   forkserver: bob, 3 upvalues deep, main script run again: false

local mp = require "multiprocessing"

print "this line appears once"
RUNS = (RUNS or 0) + 1 -- luacheck: ignore (a global of this script)

local depth = 3
local function describe() return depth .. " upvalues deep" end
local function f(name, method)
  print(("%s: %s, %s, main script run again: %s"):format(method, name, describe(), RUNS > 1)) -- luacheck: ignore
end

for _, method in ipairs(mp.get_all_start_methods()) do
  local p = mp.get_context(method).Process{ target = f, args = { "bob", method } }
  p:start()
  p:join()
end
