--- A string through a pipe: conn.send("hello"); print(conn.recv())
--
-- Output:
--   received: hello from the child

local mp = require "multiprocessing"

local function f(conn)
  conn:send("hello from the child")
end

local receiver, sender = mp.Pipe(false) -- one way: the first end receives
local p = mp.Process{ target = f, args = { sender } }
p:start()
print("received: " .. receiver:recv())
p:join()
