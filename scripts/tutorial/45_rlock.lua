--- A lock that its holder can take again: with rlock: with rlock: ...
--
-- Output:
--   balance 120
--   locked afterwards: false

local mp = require "multiprocessing"

local function deposit(lock, balance, n)
  local _ <close> = lock:hold()
  balance.value = balance.value + n
end

local function deposit_twice(lock, balance, n)
  local _ <close> = lock:hold() -- deposit takes it once more
  deposit(lock, balance, n)
  deposit(lock, balance, n)
end

local lock, balance = mp.RLock(), mp.RawValue("i", 0)
local ps = {}
for i = 1, 3 do
  ps[i] = mp.Process{ target = deposit_twice, args = { lock, balance, 20 } }
  ps[i]:start()
end
for _, p in ipairs(ps) do p:join() end
print("balance " .. balance.value)
print("locked afterwards: " .. tostring(lock:locked()))
