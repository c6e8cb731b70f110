--- A pipe: parent_conn, child_conn = Pipe(); child_conn.send([42, None, 'hello'])
--
-- Output:
--   {42, nil, "hello"}

local mp = require "multiprocessing"

local function f(conn)
  conn:send{ 42, nil, "hello", n = 3 }
  conn:close()
end

local parent_conn, child_conn = mp.Pipe()
local p = mp.Process{ target = f, args = { child_conn } }
p:start()
local v = parent_conn:recv()
print(("{%s, %s, %q}"):format(v[1], v[2], v[3]))
p:join()
