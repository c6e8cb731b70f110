--- Each process fills its part of an array: with arr.get_lock(): ...; arr[a:b] = ...
--
-- Output:
--   1 1 1 2 2 2 3 3 3 4 4 4
--   the sum is 30
--   rotated: 4 1 1 1 2 2 2 3 3 3 4 4
--   no more than there is: false

local mp = require "multiprocessing"

local PART <const> = 3

local function fill(a, part)
  a:fill(part, (part - 1) * PART + 1, part * PART)
end

local a = mp.Array("i", 4 * PART)
local ps = {}
for part = 1, 4 do
  ps[part] = mp.Process{ target = fill, args = { a, part } }
  ps[part]:start()
end
for _, p in ipairs(ps) do p:join() end
print(table.concat(a:totable(), " "))

local sum = 0
for _, x in ipairs(a) do sum = sum + x end
print("the sum is " .. sum)

do
  local held <close> = a:hold() -- luacheck: ignore held (several steps, nobody in between)
  local last = a[#a]
  a:set(a:slice(1, -2), 2)
  a[1] = last
end
print("rotated: " .. table.concat(a:totable(), " "))
print("no more than there is: " .. tostring((pcall(a.set, a, { 1, 2 }, #a))))
