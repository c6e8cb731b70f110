--- Both ways: conn.send(conn.recv() * 2)
--
-- Output:
--   1 -> 2
--   2 -> 4
--   3 -> 6
--   the child has gone

local mp = require "multiprocessing"

local function double(conn)
  for _ = 1, 3 do conn:send(conn:recv() * 2) end
end

local conn, child_conn = mp.Pipe()
local p = mp.Process{ target = double, args = { child_conn } }
p:start()
child_conn:close() -- now the child has the only handle of its end
for i = 1, 3 do
  conn:send(i)
  print(i .. " -> " .. conn:recv())
end
local ok, err = pcall(conn.recv, conn)
if not ok and mp.iserror(err, "EOFError") then print("the child has gone") end
p:join()
