--- Context-managed: with Pool(processes=4) as pool: ...
--
-- Output:
--   0 1 4 9
--   the block has ended: CLOSED

local mp = require "multiprocessing"

local outside
do
  local pool <close> = mp.Pool{ processes = 4 }
  outside = pool
  print(table.concat(pool:map(function(x) return x * x end, { 0, 1, 2, 3 }), " "))
end -- what was submitted is finished, the workers have ended

local ok, e = pcall(outside.map, outside, print, { 1 })
print("the block has ended: " .. (not ok and mp.iserror(e, "ClosedError") and "CLOSED" or "?"))
