--- queue.lua: kill storm over a queue: producers and consumers die at random, the messages do not
-- MIT licence, see LICENSE
--
-- usage: mplua spec/stress/queue.lua [SECONDS = 20]
--
-- 3 producers put messages with sequence numbers, 3 consumers get them and acknowledge each; one
-- of the six is killed every few milliseconds and replaced. Afterwards: no message came twice or
-- torn, each producer's messages came in order at each consumer, and no more are missing than
-- processes were killed (each may take one with it, in its hands or not yet put).

package.path = "./?.lua;" .. package.path
local mp = require "multiprocessing"
local s = require "spec.stress.storm".begin "queue"

local work, acks, news = mp.Queue(1000), mp.Queue(), mp.Queue()

-- the size depends on the number, so that a torn message shows
local function body(who, i)
  return ("%d:%d;"):format(who, i):rep(i % 50 == 0 and 500 or i % 9 + 1)
end

local function produce(who)
  for i = 1, math.huge do
    news:put{ who, i }
    work:put{ who, i, body(who, i) }
    if i % 32 == 0 then mp.sleep(0.002) end -- all is written down: hours of it must fit
  end
end

local function consume()
  local last = {}
  for _, m in work:iter() do
    local who, i = m[1], m[2]
    if m[3] ~= body(who, i) then acks:put{ "torn", who, i } end
    if last[who] and last[who] >= i then acks:put{ "disorder", who, i } end
    last[who] = i
    acks:put{ who, i }
    s.moved:add(1)
  end
end

local made = 0
local function start(kind)
  if kind == 2 then return s:start(consume) end
  made = made + 1
  return s:start(produce, made)
end

local begun, got, count = {}, {}, 0

local function note(m, into)
  if type(m[1]) == "string" then return s:fault("%s", table.concat(m, " ")) end
  local key = m[1] << 32 | m[2]
  s:check(not into[key], "message %d of %d came twice", m[2], m[1])
  into[key] = true
  if into == got then count = count + 1 end
end

local function look(queue, into)
  while true do
    local ok, m = queue:try_get()
    if not ok then return end
    note(m, into)
  end
end

-- What has come is forgotten, or hours would need all memory.
local function forget()
  for key in pairs(begun) do
    if got[key] then begun[key], got[key] = nil, nil end
  end
end

local ps, killed_consumers, rounds = {}, 0, 0
for i = 1, 6 do ps[i] = start(i <= 3 and 1 or 2) end
while s:goes_on() do
  mp.sleep(math.random() * 0.005)
  local i = math.random(6)
  s:kill(ps[i], function() ps[i] = start(i <= 3 and 1 or 2) end)
  if i > 3 then killed_consumers = killed_consumers + 1 end
  look(news, begun)
  look(acks, got)
  rounds = rounds + 1
  if rounds % 1000 == 0 then forget() end
end

for i = 1, 3 do
  ps[i]:kill()
  ps[i]:join()
end
work:shutdown()
for i = 4, 6 do s:check(ps[i]:join(30), "a consumer hangs") end
look(news, begun)
look(acks, got)

local missing = 0
for key in pairs(begun) do
  if not got[key] then missing = missing + 1 end
end
s:check(missing <= s.kills.value + 3, "%d messages are missing after %d kills", missing,
  s.kills.value)
work, acks, news, ps = nil, nil, nil, nil -- luacheck: ignore
s:finish(count)
