--- Ctrl-C while a pool works: except KeyboardInterrupt: pool.terminate(); pool.join()
--
-- Output:
--   caught: interrupted!
--   workers left: 0

local mp = require "multiprocessing"

-- somebody presses Ctrl-C while we wait
local at_work = mp.Event()
local somebody = mp.Process{ target = function(pid)
  at_work:wait()
  mp.kill(pid, "SIGINT")
end, args = { mp.getpid() } }
somebody:start()

local pool = mp.Pool(2)
local ok, e = pcall(pool.map, pool, function()
  at_work:set()
  mp.sleep(3600)
end, { 1, 2, 3 })
if not ok then print("caught: " .. e:match "interrupted!") end
pool:terminate() -- mostly they have ended already
pool:join()
somebody:join()
print("workers left: " .. #mp.active_children())
