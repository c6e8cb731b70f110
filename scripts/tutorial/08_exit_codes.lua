--- How a process ended: exit codes of return, os.exit and error
--
-- Output:
--   returns: 0
--   exits with 3: 3
--   raises: 1
--   is killed: -9
-- Errors (among others):
--   Process Process%-3:
--   .*08_exit_codes.lua:%d+: oh

local mp = require "multiprocessing"

local function run(title, target)
  local p = mp.Process{ target = target }
  p:start()
  p:join()
  print(title .. ": " .. p.exitcode)
end

run("returns", function() end)
run("exits with 3", function() os.exit(3) end)
run("raises", function()
  error "oh"
end)
run("is killed", function() mp.kill(mp.getpid(), "SIGKILL") end)
