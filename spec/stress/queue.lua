--- Kill storm over a queue: producers and consumers die at random, the messages do not.
--
-- usage: mplua spec/stress/queue.lua [SECONDS = 20 [SEED]]
--
-- 3 producers put messages with sequence numbers, 3 consumers get them and acknowledge each; one
-- of the six is killed every few milliseconds and replaced. Afterwards: no message came twice or
-- torn, each producer's messages came in order at each consumer, and no more are missing than
-- processes were killed (each may take one with it, in its hands or not yet put).

local mp = require "multiprocessing"

local seconds = tonumber(arg[1]) or 20
local seed = math.tointeger(arg[2]) or os.time()
math.randomseed(seed)

local work, acks, news = mp.Queue(1000), mp.Queue(), mp.Queue()

-- the size depends on the number, so that a torn message shows
local function body(who, i)
  return ("%d:%d;"):format(who, i):rep(i % 50 == 0 and 500 or i % 9 + 1)
end

local function produce(who)
  for i = 1, math.huge do
    news:put{ who, i }
    work:put{ who, i, body(who, i) }
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
  end
end

local made, killed = 0, { 0, 0 }
local function start(kind)
  if kind == 2 then
    local p = mp.Process{ target = consume, daemon = true }
    p:start()
    return p
  end
  made = made + 1
  local p = mp.Process{ target = produce, args = { made }, daemon = true }
  p:start()
  return p
end

local begun, got, bad, count = {}, {}, {}, 0

local function look(queue, into)
  while true do
    local ok, m = queue:try_get()
    if not ok then return end
    if type(m[1]) == "string" then
      bad[#bad + 1] = table.concat(m, " ")
    else
      local key = m[1] << 32 | m[2]
      if into[key] then bad[#bad + 1] = ("twice %d %d"):format(m[1], m[2]) end
      into[key] = true
      if into == got then count = count + 1 end
    end
  end
end

local ps = { start(1), start(1), start(1), start(2), start(2), start(2) }
local deadline = mp.now() + seconds
while mp.now() < deadline do
  mp.sleep(math.random() * 0.005)
  local i = math.random(6)
  local kind = i <= 3 and 1 or 2
  ps[i]:kill()
  ps[i]:join()
  killed[kind] = killed[kind] + 1
  ps[i] = start(kind)
  look(news, begun)
  look(acks, got)
end

for i = 1, 3 do
  ps[i]:kill()
  ps[i]:join()
  killed[1] = killed[1] + 1
end
work:shutdown()
for i = 4, 6 do
  if not ps[i]:join(30) then bad[#bad + 1] = "a consumer hangs" end
end
look(news, begun)
look(acks, got)

local missing = 0
for key in pairs(begun) do
  if not got[key] then missing = missing + 1 end
end
print(("seed %d: %d messages, %d producers and %d consumers killed, %d messages missing"):format(
  seed, count, killed[1], killed[2], missing))
if missing > killed[1] + killed[2] then bad[#bad + 1] = "too many are missing" end
for _, line in ipairs(bad) do print("FAULT: " .. line) end
os.exit(#bad == 0 and 0 or 1)
