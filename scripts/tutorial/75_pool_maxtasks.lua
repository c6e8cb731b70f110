--- Fresh workers now and then: Pool(processes=1, maxtasksperchild=2)
--
-- Output:
--   6 items by 3 workers

local mp = require "multiprocessing"

local pool <close> = mp.Pool{ processes = 1, maxtasksperchild = 2 }
local pids, workers = pool:map(mp.getpid, { 1, 2, 3, 4, 5, 6 }), 0
local seen = {}
for _, pid in ipairs(pids) do
  if not seen[pid] then workers = workers + 1 end
  seen[pid] = true
end
print(("%d items by %d workers"):format(#pids, workers))
