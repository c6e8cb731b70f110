--- A remote manager, the server: QueueManager(address=('', 50000), authkey=b'abracadabra')
--
-- usage: mplua scripts/tutorial/86_remote_server.lua [ADDRESS]
--
-- With an address it serves until Ctrl-C. Without one it shows itself: it listens on any free port
-- and starts the client, 87_remote_client.lua, as a program of its own.
--
-- Output:
--   putting hello
--   getting hello
--   the server ends

local mp = require "multiprocessing"

-- What all clients share. A call that waits lets the others' in.
local items = {}
local queue = {}

function queue.put(_, v) items[#items + 1] = v end

function queue.get()
  while #items == 0 do mp.sleep(0.01) end
  return table.remove(items, 1)
end

local server

local QueueManager = mp.BaseManager:extend "QueueManager"
QueueManager:register("get_queue", function() return queue end)
QueueManager:register("control", function()
  return { stop = function() server:stop() end }
end)

server = QueueManager{ address = arg[1] or "127.0.0.1:0", authkey = "abracadabra" }:get_server()

if arg[1] then
  print("serving at " .. server.address)
  io.stdout:flush()
  server:serve_forever()
else
  local i = 0
  while arg[i - 1] do i = i - 1 end
  local script = arg[0]:gsub("86_remote_server", "87_remote_client")
  local client = ("'%s' '%s' %s"):format(arg[i], script, server.address)
  local p = mp.Process{ target = os.execute, args = { client } }
  p:start()
  server:serve_forever()
  p:join()
  print "the server ends"
end
