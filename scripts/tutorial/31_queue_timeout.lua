--- Not waiting for ever: q.get(timeout=0.05), q.get_nowait(), q.put(x, timeout=0.05)
--
-- Output:
--   get: Empty
--   get_nowait: Empty
--   try_get: false Empty
--   put: Full
--   put_nowait: Full
--   and the one that had room: 1

local mp = require "multiprocessing"

local function name_of_error(f, ...)
  local ok, e = pcall(f, ...)
  return ok and "no error" or e.name
end

local q = mp.Queue(1) -- room for one
print("get: " .. name_of_error(q.get, q, true, 0.05))
print("get_nowait: " .. name_of_error(q.get_nowait, q))
local got, reason = q:try_get(0.05) -- raises nothing
print("try_get: " .. tostring(got) .. " " .. reason)

q:put(1)
print("put: " .. name_of_error(q.put, q, 2, true, 0.05))
print("put_nowait: " .. name_of_error(q.put_nowait, q, 2))
print("and the one that had room: " .. q:get())
