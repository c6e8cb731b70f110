--- A manager's server does many things at once: one client's slow call delays no other
--
-- Output:
--   the fast call came back first
--   the slow one: 55
--   RemoteError: true, Empty: true
--   the server is gone: ManagerLostError

local mp = require "multiprocessing"

local Service = {}
Service.__index = Service
function Service.new() return setmetatable({ allowed = false }, Service) end

function Service:slow(n) -- luacheck: ignore 212/self
  local sum = 0
  while not self.allowed do sum = 0 end -- works, and does not wait
  for i = 1, n do sum = sum + i end
  return sum
end

function Service:allow() self.allowed = true end
function Service:fail() error(mp.Queue():get_nowait()) end -- luacheck: ignore 212/self
function Service:pid() return mp.getpid() end -- luacheck: ignore 212/self

local MyManager = mp.BaseManager:extend "MyManager"
MyManager:register("Service", Service)

local manager <close> = MyManager():start()
local service = manager:Service()

local result = mp.Queue()
local p = mp.Process{ target = function(s) result:put(s:slow(10)) end, args = { service } }
p:start()
service:allow()
print "the fast call came back first"
print("the slow one: " .. result:get())
p:join()

-- An error comes with what it was there.
local ok, e = pcall(service.fail, service)
print(("RemoteError: %s, Empty: %s"):format(not ok and e:is "RemoteError", e:is "Empty"))

mp.kill(service:pid(), "SIGKILL")
ok, e = pcall(service.pid, service)
print("the server is gone: " .. (ok and "no" or e.name))
