--- Ending a process from outside: p.terminate(), p.is_alive(), p.exitcode
--
-- Output (pattern):
--   <Process name='Process%-1' parent=%d+ initial>
--   running: true
--   terminated: false
--   exit code: %-15
--   <Process name='Process%-1' pid=%d+ parent=%d+ stopped exitcode=%-SIGTERM>

local mp = require "multiprocessing"

local p = mp.Process{ target = mp.sleep, args = { 1000 } }
print(p)
p:start()
print("running: " .. tostring(p:is_alive()))
p:terminate()
p:join()
print("terminated: " .. tostring(p:is_alive()))
print("exit code: " .. p.exitcode)
print(p)
