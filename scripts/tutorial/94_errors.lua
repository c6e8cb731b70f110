--- except (Empty, TimeoutError, EOFError, ...): which error was it, and where did it come from?
--
-- Output:
--   a condition: Empty, the queue is empty: true
--   misuse is a string: unknown option 'max' to 'Queue' (there are: maxsize)
--   from a worker: RemoteError, also an Empty: true
--   its process: true, its traceback: true

local mp = require "multiprocessing"

local ok, e = pcall(function() return mp.Queue():get_nowait() end)
assert(not ok)
print(("a condition: %s, the queue is empty: %s"):format(e.name, mp.iserror(e, "Empty")))

ok, e = pcall(mp.Queue, { max = 3 })
assert(not ok and not mp.iserror(e))
print("misuse is a string: " .. e:match "unknown.*")

local pool <close> = mp.Pool(1)
ok, e = pcall(pool.apply, pool, function() return mp.Queue():get_nowait() end)
assert(not ok)
print(("from a worker: %s, also an Empty: %s"):format(e.name, e:is "Empty"))
print(("its process: %s, its traceback: %s"):format(e.pid ~= mp.getpid(),
  e.traceback:find "94_errors" ~= nil))
