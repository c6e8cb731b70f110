--- A process that may not take more than so much memory (Python: resource.setrlimit in the child)
--
-- Output:
--   the child can catch it: not enough memory
--   exit code 0

local mp = require "multiprocessing"

local function hungry()
  local ok, e = pcall(string.rep, "x", 1 << 30)
  if not ok then print("the child can catch it: " .. e) end
end

local p = mp.Process{ target = hungry, memory_limit = 50 * 1024 * 1024 }
p:start()
p:join()
print("exit code " .. p.exitcode)
