--- manager.lua: clients of a manager's dict and list die at random, in the middle of any call
-- MIT licence, see LICENSE
--
-- usage: mplua spec/stress/manager.lua [SECONDS = 20]
--
-- Clients count, change pairs that belong together, append and pop; one is killed every few
-- milliseconds and replaced. Afterwards: no pair is torn, nothing that was counted is lost and at
-- most one more than was told a kill, the keys that were made are there whole, each client's
-- appended numbers were popped in order, once.

package.path = "./?.lua;" .. package.path
local mp = require "multiprocessing"
local s = require "spec.stress.storm".begin "manager"

local CLIENTS <const> = 4

local manager = mp.Manager()
local shared = {
  dict = manager:dict{ count = 0, pair = { 0, 0 } }, list = manager:list(),
  counted = mp.RawValue("q", 0), popped = mp.Queue(),
}

local actions = {}

function actions.count(d)
  d.dict:incr("count")
  d.counted:add(1)
end

function actions.pair(d)
  d.dict:update("pair", function(p) return { p[1] + 1, p[2] + 1 } end)
end

function actions.look(d)
  local p = d.dict.pair
  s:check(p[1] == p[2], "the pair is torn: %d, %d", p[1], p[2])
end

-- keys come and go, so that the table grows and shrinks
function actions.keys(d, who)
  local key = ("key %d %d"):format(who, math.random(50))
  if math.random(3) == 1 then
    d.dict:pop(key, nil)
  else
    d.dict:set(key, key:rep(math.random(60)))
  end
end

function actions.append(d, who, state)
  state.n = state.n + 1
  d.list:append{ who, state.n, ("%d/%d "):format(who, state.n):rep(state.n % 30) }
end

function actions.pop(d)
  if #d.list < 20 then return end
  local ok, m = pcall(d.list.pop, d.list, 1)
  if not ok then return end -- another was quicker
  s:check(m[3] == ("%d/%d "):format(m[1], m[2]):rep(m[2] % 30), "a torn item of %d", m[1])
  d.popped:put{ m[1], m[2] }
end

local names = {}
for name in pairs(actions) do names[#names + 1] = name end
table.sort(names)

local function work(d, who)
  local state = { n = 0 }
  while true do
    actions[names[math.random(#names)]](d, who, state)
    s.moved:add(1)
  end
end

local people, next_client = {}, 0
local function replace(i)
  next_client = next_client + 1
  people[i] = s:start(work, shared, next_client)
end

local seen = {}
local function drain()
  while true do
    local ok, m = shared.popped:try_get()
    if not ok then return end
    local of = seen[m[1]] or {}
    seen[m[1]] = of
    s:check(not of[m[2]], "item %d of %d came twice", m[2], m[1])
    of[m[2]] = true
  end
end

for i = 1, CLIENTS do replace(i) end
while s:goes_on() do
  mp.sleep(math.random() * 0.01)
  local i = math.random(CLIENTS)
  s:kill(people[i], function() replace(i) end)
  drain()
end
for i = 1, CLIENTS do
  people[i]:kill()
  people[i]:join()
end
drain()

local count, told = shared.dict.count, shared.counted.value
s:check(count >= told and count <= told + s.kills.value + CLIENTS,
  "counted %d, told %d, %d kills", count, told, s.kills.value)
for key, value in pairs(shared.dict) do
  if key:find "^key" then s:check(value:gsub(key, "") == "", "the value of %q is torn", key) end
end
for _, m in ipairs(shared.list) do
  s:check(not (seen[m[1]] or {})[m[2]], "item %d of %d was popped and is there", m[2], m[1])
end
manager:shutdown()
shared, people, manager = nil, nil, nil -- luacheck: ignore
s:finish(s.moved.value)
