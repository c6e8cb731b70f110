--- Who is who: os.getppid() and os.getpid() in parent and child
--
-- Output (pattern):
--   main line
--   process id: %d+, name: MainProcess
--   function f
--   parent process: MainProcess
--   process id: %d+, name: Process%-1
--   hello bob
--   the child had another id: true

local mp = require "multiprocessing"

local function info(title)
  print(title)
  local parent = mp.parent_process()
  if parent then print("parent process: " .. parent.name) end
  print(("process id: %d, name: %s"):format(mp.getpid(), mp.current_process().name))
end

local function f(name)
  info("function f")
  print("hello " .. name)
end

info("main line")
local p = mp.Process{ target = f, args = { "bob" } }
p:start()
p:join()
print("the child had another id: " .. tostring(p.pid ~= mp.getpid()))
