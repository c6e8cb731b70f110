--- Several processes with arguments: [Process(target=square, args=(n,)) for n in range(...)]
--
-- Output (any order):
--   the square of 1 is 1
--   the square of 2 is 4
--   the square of 3 is 9
--   the square of 4 is 16
--   the square of 5 is 25
--   all done

local mp = require "multiprocessing"

local function square(n)
  print(("the square of %d is %d"):format(n, n * n))
end

local processes = {}
for n = 1, 5 do
  processes[n] = mp.Process{ target = square, args = { n } }
  processes[n]:start()
end
for _, p in ipairs(processes) do p:join() end
print "all done"
