--- Two programs: one with a Listener, one with a Client, started apart
--
-- Output:
--   the client program asks for 6 * 7
--   and is told 42

local mp = require "multiprocessing"

local function interpreter() -- sys.executable
  local i = 0
  while arg[i - 1] do i = i - 1 end
  return arg[i]
end

local CLIENT <const> = [[
  local mp = require "multiprocessing"
  local conn <close> = mp.Client(arg[1], { authkey = "secret password" })
  print "the client program asks for 6 * 7"
  conn:send{ 6, 7 }
  print("and is told " .. conn:recv())
]]

local path = os.tmpname()
local file = assert(io.open(path, "w"))
file:write(CLIENT)
file:close()

local listener <close> = mp.Listener{ address = "127.0.0.1:0", authkey = "secret password" }
local program <close> = io.popen(("'%s' '%s' %s"):format(interpreter(), path, listener.address))
local conn <close> = listener:accept(20)
local numbers = conn:recv()
conn:send(numbers[1] * numbers[2])
io.write(program:read "a")
os.remove(path)
