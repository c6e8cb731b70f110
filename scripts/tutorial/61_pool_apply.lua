--- One call in a worker: pool.apply(f, (10,))
--
-- Output:
--   100
--   quotient 3, remainder 1

local mp = require "multiprocessing"

local pool <close> = mp.Pool(2)
print(pool:apply(function(x) return x * x end, { 10 }))

-- all results come back, not the first alone
local quotient, remainder = pool:apply(function(a, b) return a // b, a % b end, { 10, 3 })
print(("quotient %d, remainder %d"):format(quotient, remainder))
