--- concurrent.futures.wait(fs, return_when=FIRST_COMPLETED), add_done_callback, cancel, exception
--
-- Output:
--   first completed: quick
--   not done yet: 1
--   callback: quick is done
--   cancelled before it began: true CancelledError
--   its exception: out of luck
--   all done: 3

local mp = require "multiprocessing"

local executor <close> = mp.ProcessPoolExecutor{ max_workers = 1 }
local gate = mp.Event()

local quick = executor:submit(string.lower, "QUICK")
local slow = executor:submit(function() return gate:wait() end)
local done, not_done = mp.futures.wait({ quick, slow }, nil, "FIRST_COMPLETED")
print("first completed: " .. done[1]:result())
print("not done yet: " .. #not_done)
quick:add_done_callback(function(f) print("callback: " .. f:result() .. " is done") end)

local never = executor:submit(print, "never") -- the only worker is busy
local effect = never:cancel()
local _, e = pcall(never.result, never)
print("cancelled before it began: " .. tostring(effect) .. " " .. e.name)

local bad = executor:submit(error, "out of luck")
gate:set()
print("its exception: " .. bad:exception().value)
done = mp.futures.wait{ quick, slow, bad }
print("all done: " .. #done)
