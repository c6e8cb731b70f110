--- Cleaning up: atexit.register(f), which runs in children, too, however they were started
--
-- Output:
--   the child works
--   the child closes its files
--   the child says goodbye
--   exit code 3
--   the main process ends

local mp = require "multiprocessing"

local function work()
  mp.at_exit(function() print "the child says goodbye" end)
  mp.at_exit(function() print "the child closes its files" end) -- the last one is the first to run
  print "the child works"
  os.exit(3)
end

mp.at_exit(function() print "the main process ends" end) -- of this process alone
local p = mp.Process{ target = work }
p:start()
p:join()
print("exit code " .. p.exitcode)
