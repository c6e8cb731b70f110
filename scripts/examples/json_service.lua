--- A Lua service for programs in other languages: lines of JSON over a socket
--
-- usage: mplua scripts/examples/json_service.lua [ADDRESS [KEY]]
--
-- Without an address it shows itself: a python3 client asks, its answers are printed, all ends.
-- One process serves all clients, by mp.wait. With a key (a must on "host:port"), clients prove
-- that they know it: see json_client.py.
--
-- Output (pattern):
--   sum: 6%.5
--   words: %{.*%}
--   error: there is no function nonsense

local mp = require "multiprocessing"

local functions = {
  sum = function(list)
    local total = 0
    for _, n in ipairs(list) do total = total + n end
    return total
  end,
  words = function(text)
    local count = {}
    for word in text:lower():gmatch("%a+") do count[word] = (count[word] or 0) + 1 end
    return count
  end,
}

local function answer(request)
  local f = type(request) == "table" and functions[request.call]
  if not f then return { error = "there is no function " .. tostring(request.call) } end
  local ok, result = pcall(f, request.argument)
  return ok and { result = result } or { error = tostring(result) }
end

local function accept(listener, waiting)
  local ok, conn = pcall(listener.accept, listener, 0)
  if ok then
    waiting[#waiting + 1] = conn
  elseif not mp.iserror(conn, "AuthenticationError") and not mp.iserror(conn, "TimeoutError") then
    error(conn, 0)
  end
end

-- false when the client has gone, or talks rubbish
local function serve(conn)
  local ok, request = pcall(conn.recv, conn)
  return ok and pcall(conn.send, conn, answer(request))
end

local function remove(list, v)
  for i = #list, 1, -1 do
    if rawequal(list[i], v) then table.remove(list, i) end
  end
end

-- until the process `user` has ended, if there is one
local function run(listener, user)
  local waiting = { listener, user }
  while true do
    for _, ready in ipairs(mp.wait(waiting)) do
      if ready == user then return end
      if ready == listener then
        accept(listener, waiting)
      elseif not serve(ready) then
        ready:close()
        remove(waiting, ready)
      end
    end
  end
end

local address, key = arg[1], arg[2]
local listener <close> = mp.Listener{ address = address, authkey = key, format = "json" }
local user
if address then
  print("listening on " .. listener.address)
else
  local client = arg[0]:gsub("json_service%.lua$", "json_client.py")
  user = mp.Process{ target = os.execute,
    args = { ("python3 %s %s"):format(client, listener.address) } }
  user:start()
end
run(listener, user)
