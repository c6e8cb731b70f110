--- store.lua: every operation of a dict and a list, and clients that die in the middle of them
-- MIT licence, see LICENSE
--
-- usage: mplua spec/stress/store.lua [SECONDS = 20]
--
-- Clients work on one dict and one list with all operations there are, values of every kind: short
-- and long ones, tables, shared objects. Meanwhile and afterwards: every value belongs to its key
-- and is not torn; what is changed together (a table's update, extend) is seen together; incr loses
-- nothing; the tables are sound; at the end no byte of the arena is left.

package.path = "./?.lua;" .. package.path
local dict = require "multiprocessing.core.dict"
local list = require "multiprocessing.core.list"
local mp = require "multiprocessing"
local s = require "spec.stress.storm".begin "store"

local CLIENTS <const>, KEYS <const>, TOGETHER <const> = 5, 200, 12

local manager = mp.Manager()
local shared = {
  manager = manager, d = manager:dict(), l = manager:list(), lock = manager:Lock(),
  counted = mp.RawValue("q", 0),
}

local function any_key() return "k" .. math.random(KEYS) end

local values = {
  function(_, _, n) return n end,
  function(_, key, n) return key .. ":" .. ("s"):rep(n) end,
  function(_, key, n) return { key = key, text = ("t"):rep(n) } end,
  function(_, key, n) return { key = key, text = ("t"):rep(2000 + n) } end,
  function(o, key) return { key = key, text = "", lock = o.lock } end,
  function(o, key) return o.manager:dict{ key = key } end,
}

local function value_of(o, key)
  return values[math.random(#values)](o, key, math.random(300))
end

local function check_value(key, v)
  local whole
  if type(v) == "string" then
    whole = v:find("^" .. key .. ":s*$")
  else
    whole = type(v) == "number" or v.key == key and (type(v) == "userdata" or v.text:find "^t*$")
  end
  s:check(whole, "the value of %s is torn", key)
end

local function check_dict(t)
  for i = 2, TOGETHER do s:check(t[i] == t[1], "half an update: %s, %s", t[1], t[i]) end
  for key, v in pairs(t) do
    if type(key) == "string" and key:find "^k" then check_value(key, v) end
  end
end

-- each number came three times in one extend
local function check_list(t)
  local seen = {}
  for _, v in ipairs(t) do seen[v] = (seen[v] or 0) + 1 end
  for v, n in pairs(seen) do s:check(n == 3, "%d is %d times in the list", v, n) end
end

local actions = {
  function(o)
    local key = any_key()
    o.d[key] = value_of(o, key)
  end,
  function(o)
    local key = any_key()
    local v = o.d[key]
    if v ~= nil then check_value(key, v) end
  end,
  function(o)
    local key = any_key()
    local v = o.d:pop(key, nil)
    if v ~= nil then check_value(key, v) end
  end,
  function(o)
    local key = any_key()
    o.d:update(key, function() return value_of(o, key) end)
  end,
  function(o)
    local n, t = math.random(1 << 30), {}
    for i = 1, TOGETHER do t[i] = n end
    o.d:update(t)
  end,
  function(o) check_dict(o.d:copy()) end,
  function(o)
    o.d:incr "hits"
    o.counted:add(1)
  end,
  function(o)
    if math.random(20) > 1 then return end
    for i = 1, KEYS do o.d["k" .. i] = nil end
  end,
  function(o)
    if #o.l > 300 then o.l:clear() end
    local n = math.random(1 << 30)
    o.l:extend{ n, n, n }
  end,
  function(o) check_list(o.l:copy()) end,
  function(o) o.l:sort(function(a, b) return a < b end) end,
  function(o) o.l:reverse() end,
}

local function work(o)
  while true do
    actions[math.random(#actions)](o)
    s.moved:add(1)
  end
end

local people = {}
local function replace(i) people[i] = s:start(work, shared) end

for i = 1, CLIENTS do replace(i) end
while s:goes_on() do
  mp.sleep(math.random() * 0.01)
  local i = math.random(CLIENTS)
  s:kill(people[i], function() replace(i) end)
end
for i = 1, CLIENTS do
  people[i]:kill()
  people[i]:join()
end

shared.d.last = 1 -- no dead one's lock is in the way
shared.l:reverse()
check_dict(shared.d:copy())
check_list(shared.l:copy())
s:check(dict.check(shared.d), "the dict is damaged")
s:check(list.check(shared.l), "the list is damaged")
local hits, counted = shared.d:get("hits", 0), shared.counted.value
s:check(hits >= counted and hits <= counted + s.kills.value + CLIENTS, "%d hits, %d were counted",
  hits, counted)
shared, people, manager = nil, nil, nil -- luacheck: ignore
s:finish(s.moved.value)
