--- Ctrl-C in a child, and p.interrupt(): except KeyboardInterrupt: ... clean up ...
--
-- Output:
--   the child saw: interrupted!
--   it ended with 5
--   one that does not care ended with -2

local mp = require "multiprocessing"

local function careful(ready)
  local ok, e = pcall(function()
    ready:set()
    mp.sleep(60)
  end)
  if not ok then print("the child saw: " .. e:match "interrupted!") end
  os.exit(5)
end

local function careless(ready)
  ready:set()
  mp.sleep(60)
end

local function interrupt(target)
  local ready = mp.Event()
  local p = mp.Process{ target = target, args = { ready } }
  p:start()
  ready:wait()
  p:interrupt()
  p:join()
  return p.exitcode
end

print("it ended with " .. interrupt(careful))
print("one that does not care ended with " .. interrupt(careless))
