--- joblib's loop: Parallel(n_jobs=2)(delayed(sqrt)(i ** 2) for i in range(10))
--
-- Output:
--   0.0 1.0 2.0 3.0 4.0 5.0 6.0 7.0 8.0 9.0

local mp = require "multiprocessing"

local items = {}
for i = 0, 9 do items[#items + 1] = i ^ 2 end
print(table.concat(mp.parallel(2, math.sqrt, items), " "))
