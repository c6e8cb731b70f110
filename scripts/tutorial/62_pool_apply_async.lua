--- A result that comes later: res = pool.apply_async(f, (20,)); print(res.get(timeout=1))
--
-- Output:
--   400
--   ran in another process: true
--   several: 1 4 9 16

local mp = require "multiprocessing"

local function f(x) return x * x end

local pool <close> = mp.Pool(4)
local result = pool:apply_async(f, { 20 })
print(result:get(1))

local pid = pool:apply_async(mp.getpid)
print("ran in another process: " .. tostring(pid:get(1) ~= mp.getpid()))

local results = {}
for i = 1, 4 do results[i] = pool:apply_async(f, { i }) end
local values = {}
for i, r in ipairs(results) do values[i] = r:get() end
print("several: " .. table.concat(values, " "))
