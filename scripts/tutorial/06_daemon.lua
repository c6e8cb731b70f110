--- A daemon does not keep the program alive: Process(daemon=True)
--
-- Output:
--   the program ends; the daemon goes with it

local mp = require "multiprocessing"

local function for_ever()
  mp.sleep(3600)
end

local d = mp.Process{ target = for_ever, daemon = true }
d:start()
assert(d:is_alive())
print "the program ends; the daemon goes with it"
