--- manager.lua: clients of a manager's server are shot while they call
-- MIT licence, see LICENSE
--
-- usage: mplua spec/stress/manager.lua [SECONDS = 20]
--
-- Half of the clients are of the family, half come by a socket. One that lives looks on: what it
-- is told must be right, at once; in the end nothing of the dead may be left.

package.path = "./?.lua;" .. package.path
local mp = require "multiprocessing"
local s = require "spec.stress.storm".begin "manager"

local CLIENTS <const> = 6
local KEY <const> = "storm"

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
function Store.wait(_, seconds) mp.sleep(seconds) end
function Store:part() return self.new() end

function Store.work(_, seconds)
  local ending = os.clock() + seconds
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
    s.moved:add(1)
  end
end

local m = Stores{ address = "127.0.0.1:0", authkey = KEY }:start()
local list = {}

local function start(i) list[i] = s:start(client, m, i % 2 == 0, i) end

for i = 1, CLIENTS do start(i) end
local mine, last, slowest = m:shared(), -1, 0

local function call()
  local before = mp.now()
  local n = mine:calls()
  slowest = math.max(slowest, mp.now() - before)
  s:check(n >= last, "calls were lost")
  last = n
end

while s:goes_on() do
  mp.sleep(math.random() * 0.02)
  local i = math.random(CLIENTS)
  s:check(list[i]:is_alive(), "a client ended by itself")
  s:kill(list[i], function() start(i) end)
  call()
end
for _, p in ipairs(list) do
  p:kill()
  p:join()
end
local ending = mp.now() + 20
while m:number_of_objects() > 1 and mp.now() < ending do mp.sleep(0.01) end
s:check(m:number_of_objects() == 1, "%d objects are left", m:number_of_objects() - 1)
s:check(slowest < 5, "a call of the survivor took %.1f s", slowest)
m:shutdown()
m, mine, list = nil, nil, nil -- luacheck: ignore
s:finish(last)
