--- An initializer: Pool(2, initializer=setup, initargs=(10,))
--
-- Output:
--   10 20 30

local mp = require "multiprocessing"

local function setup(n)
  FACTOR = n -- luacheck: ignore (a global of the worker's)
end

local pool <close> = mp.Pool(2, setup, { 10 })
print(table.concat(pool:map(function(x) return x * FACTOR end, { 1, 2, 3 }), " ")) -- luacheck: ignore
