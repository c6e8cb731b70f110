#!/usr/bin/env mplua
--- pool_luv.lua: a pool in luv's event loop: timers go on while workers compute
-- MIT licence, see LICENSE
--
-- The pool has one descriptor, which is readable while poll has something to do.
--
-- Needs: luv
-- Output:
--   the sum of squares is 385
--   the loop ticked meanwhile: true

local mp = require "multiprocessing"

local uv = require "luv"

local pool = mp.Pool(2)
local sum, left, ticks = 0, 10, 0

local watcher = uv.new_poll(pool:fileno())
local timer = uv.new_timer()
timer:start(0, 5, function() ticks = ticks + 1 end)

local function done(square)
  sum, left = sum + square, left - 1
  if left > 0 then return end
  watcher:close()
  timer:close()
end

for i = 1, 10 do
  pool:apply_async(function(x)
    mp.sleep(0.01)
    return x * x
  end, { i }, { callback = done })
end

watcher:start("r", function() pool:poll() end)
uv.run()
pool:close()
pool:join()
print("the sum of squares is " .. sum)
print("the loop ticked meanwhile: " .. tostring(ticks > 2))
