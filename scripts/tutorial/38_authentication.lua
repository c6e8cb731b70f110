--- A client with the wrong key: except multiprocessing.AuthenticationError
--
-- Output (any order):
--   the listener refused somebody: AuthenticationError
--   the stranger was refused: AuthenticationError
--   the friend got: welcome

local mp = require "multiprocessing"

local function client(address, who, key)
  local ok, conn = pcall(mp.Client, address, { authkey = key })
  if not ok then
    print(("the %s was refused: %s"):format(who, conn.name))
  else
    print(("the %s got: %s"):format(who, conn:recv()))
  end
end

local function visit(listener, who, key)
  local p = mp.Process{ target = client, args = { listener.address, who, key } }
  p:start()
  local ok, conn = pcall(listener.accept, listener)
  if not ok then
    print("the listener refused somebody: " .. conn.name)
  else
    conn:send "welcome"
  end
  p:join()
end

local listener <close> = mp.Listener{ address = "127.0.0.1:0", authkey = "secret" }
visit(listener, "stranger", "guess")
visit(listener, "friend", "secret") -- the listener lives on
