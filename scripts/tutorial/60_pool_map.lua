--- A pool: with Pool(5) as p: print(p.map(f, [1, 2, 3]))
--
-- Output:
--   1 4 9

local mp = require "multiprocessing"

local function f(x) return x * x end

local pool <close> = mp.Pool(5)
print(table.concat(pool:map(f, { 1, 2, 3 }), " "))
