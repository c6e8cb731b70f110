--- Units that come back when their holder is killed: BoundedSemaphore(2)
--
-- Output:
--   units while the child holds one: 1
--   units after its death: 2
--   one too many: cannot release this BoundedSemaphore: all of its units (2) are free

local mp = require "multiprocessing"

local function hold_for_ever(units, ready)
  units:acquire()
  ready:set()
  mp.sleep(1000)
end

local units, ready = mp.BoundedSemaphore(2), mp.Event()
local p = mp.Process{ target = hold_for_ever, args = { units, ready } }
p:start()
ready:wait()
print("units while the child holds one: " .. units:get_value())
p:kill()
p:join()
print("units after its death: " .. units:get_value())
local _, message = pcall(units.release, units)
print("one too many: " .. message)
