--- One process waits for another's signal: e.wait(); e.wait(timeout); e.set()
--
-- Output:
--   wait with a timeout: false
--   the event is set now
--   wait for the event: true

local mp = require "multiprocessing"

local function wait_for_event(event, impatient)
  print("wait with a timeout: " .. tostring(event:wait(0.01)))
  impatient:set()
  print("wait for the event: " .. tostring(event:wait()))
end

local event, impatient = mp.Event(), mp.Event()
local p = mp.Process{ target = wait_for_event, args = { event, impatient } }
p:start()
impatient:wait()
print "the event is set now"
event:set()
p:join()
