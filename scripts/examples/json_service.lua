--- A Lua service for programs in other languages: lines of JSON over a socket
--
-- usage: mplua scripts/examples/json_service.lua [ADDRESS [KEY]]
--
-- Without an address it shows itself: a python3 client asks, the answers are printed.
-- Each client is served by a process of its own. With a key (a must on "host:port"), clients prove
-- that they know it: see json_client.py.
--
-- Output (pattern):
--   sum: 6%.5
--   words: {.*'be': 2.*}
--   error: there is no function nonsense
-- Methods: fork

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
  local f = functions[request.call]
  if not f then return { error = "there is no function " .. tostring(request.call) } end
  local ok, result = pcall(f, request.argument)
  return ok and { result = result } or { error = tostring(result) }
end

local function serve(conn)
  while true do
    local ok, request = pcall(conn.recv, conn)
    if not ok then break end -- the client has gone, or talks rubbish
    conn:send(answer(request))
  end
end

local function accept_for_ever(listener)
  while true do
    local ok, conn = pcall(listener.accept, listener)
    if ok then
      mp.Process{ target = serve, args = { conn }, daemon = true }:start()
      conn:close()
    elseif not mp.iserror(conn, "AuthenticationError") then
      error(conn, 0)
    end
  end
end

local address, key = arg[1], arg[2]
local listener <close> = mp.Listener{ address = address, authkey = key, format = "json" }
if address then
  print("listening on " .. listener.address)
  accept_for_ever(listener)
else
  local server = mp.Process{ target = accept_for_ever, args = { listener }, daemon = true }
  server:start()
  local client = arg[0]:gsub("json_service%.lua$", "json_client.py")
  os.execute(("python3 %s %s"):format(client, listener.address))
  server:terminate()
  server:join()
end
