--- manager.lua: clients of a manager's server are shot while they call
-- MIT licence, see LICENSE
--
-- usage: mplua spec/stress/manager.lua [SECONDS]
--
-- Half of the clients are of the family, half come by a socket. One that lives looks on: what it
-- is told must be right, at once; in the end nothing of the dead may be left.

local mp = require "multiprocessing"

local SECONDS <const> = tonumber(arg[1]) or 10
local CLIENTS <const> = 6
local KEY <const> = "storm"

local seed = os.time()
math.randomseed(seed)

local Store = {}
Store.__index = Store
function Store.new() return setmetatable({ values = {}, n = 0 }, Store) end

function Store:set(k, v)
  self.n = self.n + 1
  self.values[k] = v
  return v
end

function Store:get(k) return self.values[k] end
function Store:calls() return self.n end
function Store.wait(_, s) mp.sleep(s) end
function Store:part() return self.new() end

function Store.work(_, s)
  local ending = os.clock() + s
  while os.clock() < ending do end
end

local Stores = mp.BaseManager:extend "Stores"
local shared = Store.new()
Stores:register("shared", function() return shared end, { method_to_typeid = { part = "Store" } })
Stores:register("Store", Store, { method_to_typeid = { part = "Store" } })

local function client(m, is_remote, me)
  if is_remote then m = Stores{ address = m.address, authkey = KEY }:connect() end
  local all, i = m:shared(), 0
  while true do
    i = i + 1
    local own = m:Store()
    local text = (me .. ":" .. i .. ";"):rep(math.random(1, 3000))
    assert(own:set("text", text) == text and own:part():calls() == 0)
    assert(all:set(me, i) == i)
    if i % 7 == 0 then own:wait(0.001) end
    if i % 11 == 0 then own:work(0.012) end
    assert(own:get("text") == text)
  end
end

local m <close> = Stores{ address = "127.0.0.1:0", authkey = KEY }:start()
local list = {}

local function start(i)
  list[i] = mp.Process{ target = client, args = { m, i % 2 == 0, i }, daemon = true }
  list[i]:start()
end

for i = 1, CLIENTS do start(i) end
local mine, killed, slowest = m:shared(), 0, 0
local ending = mp.now() + SECONDS
local last = -1
while mp.now() < ending do
  mp.sleep(math.random() * 0.02)
  local i = math.random(CLIENTS)
  assert(list[i]:is_alive(), "a client ended by itself")
  list[i]:kill()
  list[i]:join()
  killed = killed + 1
  start(i)
  local before = mp.now()
  local n = mine:calls()
  slowest = math.max(slowest, mp.now() - before)
  assert(n >= last, "calls were lost")
  last = n
end
for _, p in ipairs(list) do
  p:kill()
  p:join()
end
ending = mp.now() + 20
repeat
  mp.sleep(0.01)
  assert(mp.now() < ending, "objects of the dead are left: " .. m:number_of_objects())
until m:number_of_objects() == 1
assert(require("multiprocessing.core.arena").check())
print(("manager: seed %d, %d calls, %d clients killed, slowest call of the survivor %.0f ms")
  :format(seed, last, killed, slowest * 1000))
