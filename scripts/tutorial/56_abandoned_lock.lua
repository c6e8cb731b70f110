--- What Python hangs on: the holder of a lock is killed
--
-- Output:
--   nobody waits for the dead: true abandoned
--   the account was left half-way: 40 + 50
--   put right: 50 + 50

local mp = require "multiprocessing"

local lock = mp.Lock()
local from, to = mp.RawValue("i", 50), mp.RawValue("i", 50)
local half_way = mp.Event()

local function transfer()
  local held <close> = lock:hold() -- luacheck: ignore held
  from:add(-10)
  half_way:set()
  mp.sleep(60)
  to:add(10)
end

local p = mp.Process{ target = transfer }
p:start()
half_way:wait()
p:kill()
p:join()

local _, how = lock:acquire()
print("nobody waits for the dead: true " .. how)
print(("the account was left half-way: %d + %d"):format(from.value, to.value))
from.value = 100 - to.value
print(("put right: %d + %d"):format(from.value, to.value))
lock:release()
