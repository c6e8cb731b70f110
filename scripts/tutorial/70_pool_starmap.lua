--- Several arguments: pool.starmap(pow, [(2, 5), (3, 2), (10, 3)])
--
-- Output:
--   32 9 1000

local mp = require "multiprocessing"

local function pow(x, y) return math.tointeger(x ^ y) end

local pool <close> = mp.Pool(3)
print(table.concat(pool:starmap(pow, { { 2, 5 }, { 3, 2 }, { 10, 3 } }), " "))
