--- start.lua: processes killed at any moment of their lives, from birth on
-- MIT licence, see LICENSE
--
-- usage: mplua spec/stress/start.lua [SECONDS = 20]
--
-- Processes are started by every method, some with a child of their own; some are killed, at birth
-- or later, now and then the forkserver, too. Each can be joined; one that was not killed has
-- ended well and given its answer.

package.path = "./?.lua;" .. package.path
local mp = require "multiprocessing"
local s = require "spec.stress.storm".begin "start"

local MOST <const> = 6 -- alive at a time

local contexts = {}
for _, method in ipairs(mp.get_all_start_methods()) do
  contexts[#contexts + 1] = mp.get_context(method)
end

local answers = mp.RawArray("q", MOST)

local function live(ctx, list, place, answer, has_child, pause)
  if has_child then
    local child = ctx.Process{ target = ctx.sleep, args = { 0.01 }, daemon = answer % 2 == 0 }
    child:start()
  end
  ctx.sleep(pause)
  list[place] = answer
end

local alive, operations, victims = {}, 0, {}

local function start(place)
  local ctx = contexts[math.random(#contexts)]
  operations = operations + 1
  answers[place] = 0
  local p = ctx.Process{ target = live, daemon = math.random(2) == 1,
    args = { ctx, answers, place, operations, math.random(4) == 1, math.random() * 0.02 } }
  local ok, err = pcall(p.start, p)
  if not ok then return s:check(victims.server, "cannot start: %s", err) end
  alive[place] = { process = p, answer = operations }
  if math.random(6) == 1 then -- newborn
    alive[place].killed = true
    p:kill()
  end
end

-- The answer counts only where nobody was killed, be it the forkserver: its children live on, but
-- a request may be lost with it.
local function finish(place)
  local one = alive[place]
  local p, start_of_wait = one.process, mp.now()
  if not p:join(30) then return s:fault("cannot join %s", p) end
  if one.killed then
    s.kills:add(1)
    local took = mp.now() - start_of_wait
    if took > s.slowest.value then s.slowest.value = took end
    s:check(p.exitcode == -9 or p.exitcode == 0, "killed, exit code %s", p.exitcode)
  elseif not one.spared then
    s:check(p.exitcode == 0 and answers[place] == one.answer, "exit code %s, answer %d not %d",
      p.exitcode, answers[place], one.answer)
  end
  p:close()
  alive[place] = nil
end

local function kill_one(place)
  local one = alive[place]
  one.killed = true
  one.process:kill()
end

-- The child of ours that is no process of the storm's.
local function kill_server()
  local known = { [s.watchdog.pid] = true }
  for _, p in ipairs(mp.active_children()) do known[p.pid] = true end
  local file <close> = io.open(("/proc/%d/task/%d/children"):format(mp.getpid(), mp.getpid()))
  for pid in file:read("a"):gmatch "%d+" do
    if not known[math.tointeger(pid)] then
      victims.server = true
      s.kills:add(1)
      mp.kill(math.tointeger(pid), 9)
    end
  end
  for _, one in pairs(alive) do one.spared = true end
end

while s:goes_on() do
  local place = math.random(MOST)
  if not alive[place] then
    start(place)
  elseif math.random(3) == 1 then
    kill_one(place)
    finish(place)
  else
    finish(place)
  end
  if math.random(200) == 1 then kill_server() end
end
for place in pairs(alive) do finish(place) end
answers = nil -- luacheck: ignore
s:finish(operations)
