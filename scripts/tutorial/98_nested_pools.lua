--- A pool in a pool's worker (Python does not allow daemons, so no workers, to have children)
--
-- Output:
--   6 15

local mp = require "multiprocessing"

local function sum_with(n)
  local pool <close> = mp.Pool(2)
  local sum = 0
  for _, x in pool:imap_unordered(function(i) return i end, { 1, 2, n }) do sum = sum + x end
  return sum
end

local pool <close> = mp.Pool(2)
print(table.concat(pool:map(sum_with, { 3, 12 }), " "))
