#!/usr/bin/env mplua
--- pool_cqueues.lua: a pool in a cqueues loop: coroutines go on while workers compute
-- MIT licence, see LICENSE
--
-- An object with the methods pollfd and events can be waited for.
--
-- Needs: cqueues
-- Output:
--   the sum of squares is 385
--   the other coroutine ran meanwhile: true

local mp = require "multiprocessing"
local cqueues = require "cqueues"

local pool = mp.Pool(2)
local descriptor = pool:fileno()
local watched = {
  pollfd = function() return descriptor end,
  events = function() return "r" end,
}

local sum, left, ticks = 0, 10, 0
for i = 1, 10 do
  pool:apply_async(function(x)
    mp.sleep(0.01)
    return x * x
  end, { i }, { callback = function(square) sum, left = sum + square, left - 1 end })
end

local loop = cqueues.new()
loop:wrap(function()
  while left > 0 do
    cqueues.poll(watched)
    pool:poll()
  end
end)
loop:wrap(function()
  while left > 0 do
    cqueues.sleep(0.005)
    ticks = ticks + 1
  end
end)
assert(loop:loop())
pool:close()
pool:join()
print("the sum of squares is " .. sum)
print("the other coroutine ran meanwhile: " .. tostring(ticks > 2))
