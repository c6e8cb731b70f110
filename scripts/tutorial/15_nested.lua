--- Children of children, also of a daemon (Python does not allow a daemon to have children)
--
-- Output:
--   Process-1:1 is a grandchild of MainProcess
--   exit code 0

local mp = require "multiprocessing"

local function grandchild(family)
  print(("%s is a grandchild of %s"):format(mp.current_process().name, family))
end

local function child(family)
  local p = mp.Process{ target = grandchild, args = { family } }
  p:start()
  p:join()
  os.exit(p.exitcode)
end

local p = mp.Process{ target = child, args = { mp.current_process().name }, daemon = true }
p:start()
p:join()
print("exit code " .. p.exitcode)
