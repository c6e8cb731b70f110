--- Two programs: with Listener(address, authkey=b'secret') as l: conn = l.accept()
--
-- Output:
--   the client got {2.5, nil, true}

local mp = require "multiprocessing"

local function client(address)
  local conn <close> = mp.Client(address, { authkey = "secret" })
  local v = conn:recv()
  print(("the client got {%s, %s, %s}"):format(v[1], v[2], v[3]))
end

local listener <close> = mp.Listener{ authkey = "secret" }
local p = mp.Process{ target = client, args = { listener.address } }
p:start()
local conn <close> = listener:accept()
conn:send{ 2.5, nil, true, n = 3 }
p:join()
