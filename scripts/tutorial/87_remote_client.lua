--- A remote manager, the clients: m.connect(), queue = m.get_queue()
--
-- usage: mplua scripts/tutorial/87_remote_client.lua [ADDRESS]
--
-- It needs the server's address and key only, and may run on another machine. Without an address it
-- starts the server, 86_remote_server.lua, as a program of its own.
--
-- Output:
--   putting hello
--   getting hello

local mp = require "multiprocessing"

local QueueManager = mp.BaseManager:extend "QueueManager"
QueueManager:register "get_queue" -- the names alone
QueueManager:register "control"

local function start_server()
  local i = 0
  while arg[i - 1] do i = i - 1 end
  local program = io.popen(("'%s' '%s' 127.0.0.1:0"):format(arg[i],
    arg[0]:gsub("87_remote_client", "86_remote_server")))
  return program, program:read "l":match "serving at (.*)"
end

local program, address
if not arg[1] then program, address = start_server() end

local m = QueueManager{ address = arg[1] or address, authkey = "abracadabra" }
m:connect()
local queue = m:get_queue()

print "putting hello"
queue:put "hello"

-- another client, in another process
local p = mp.Process{ target = function()
  local other = QueueManager{ address = m.address, authkey = "abracadabra" }
  other:connect()
  print("getting " .. other:get_queue():get())
end }
p:start()
p:join()

m:control():stop()
if program then program:close() end
