--- Which children live: multiprocessing.active_children(), cpu_count(), p.name, p.close()
--
-- Output:
--   before: 0
--   while they run: Process-1 and sleeper
--   at the end: 0
--   a closed process: cannot join sleeper: it was closed
--   processors for us: true

local mp = require "multiprocessing"

print("before: " .. #mp.active_children())

local go = mp.Event()
local function wait_to_go() go:wait() end

local a = mp.Process{ target = wait_to_go }
local b = mp.Process{ target = wait_to_go, name = "sleeper" }
a:start()
b:start()
local names = {}
for _, p in ipairs(mp.active_children()) do names[#names + 1] = p.name end
table.sort(names)
print("while they run: " .. table.concat(names, " and "))

go:set()
a:join()
b:join()
print("at the end: " .. #mp.active_children())

b:close()
local _, e = pcall(b.join, b)
print("a closed process: " .. e.message)
print("processors for us: " .. tostring(mp.cpu_count() >= 1))
