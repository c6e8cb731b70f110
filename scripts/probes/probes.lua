--- probes.lua: twenty faults that happen sooner or later; does the program go on?
-- MIT licence, see LICENSE
--
-- usage: mplua scripts/probes/probes.lua NAME [METHOD]     one probe, here under fork
--        mplua scripts/probes/probes.lua                   the names
--
-- Each probe does the same as the function of that name in probes.py and prints one line:
-- "goes on: ..." or "wrong: ...". One that prints nothing hangs; run.lua gives it a deadline.

local mp = require "multiprocessing"

local ctx = mp.get_context(arg[2] or "fork")
local names, probes = {}, {}

local function probe(name, run)
  names[#names + 1], probes[name] = name, run
end

local function start(target, ...)
  local p = ctx.Process{ target = target, args = table.pack(...), daemon = true }
  p:start()
  return p
end

local function kill(p)
  p:kill()
  p:join()
end

-- Waits until the process sleeps in the call that it has announced.
local function asleep(p)
  local calm = 0
  while calm < 3 do
    mp.sleep(0.05)
    local stat <close> = assert(io.open(("/proc/%d/stat"):format(p.pid)))
    calm = stat:read("a"):find("%) S") and calm + 1 or 0
  end
end

-- A process that calls f(...), says so, and stays.
local function start_holding(f, ...)
  local ready = ctx.Event()
  local p = start(function(...)
    f(...)
    ready:set()
    mp.sleep(100)
  end, ...)
  ready:wait()
  return p
end

-- A process that says so and then calls f(...), which waits.
local function start_waiting(f, ...)
  local ready = ctx.Event()
  local p = start(function(...)
    ready:set()
    f(...)
  end, ...)
  ready:wait()
  asleep(p)
  return p
end

local function expect(what, wrong)
  if not what then error({ wrong = wrong }, 0) end
end

-- pools -----------------------------------------------------------------------------------------

local function die(x)
  if x == 5 then mp.kill(mp.getpid(), "SIGKILL") end
  return x
end

local function name_of(ok, e)
  if ok then return "no error" end
  return mp.iserror(e) and e.name or tostring(e)
end

probe("worker_killed_in_map", function()
  local pool <close> = ctx.Pool(2)
  local what = name_of(pcall(pool.map, pool, die, { 1, 2, 3, 4, 5, 6, 7, 8 }))
  expect(pool:apply(math.abs, { -3 }) == 3, "the pool is of no use any more")
  return what .. "; the pool works on"
end)

-- An error that is sent with one of the two arguments that its constructor needs.
local function Failure(code, text)
  return setmetatable({ code = code, text = text:upper() },
    { __reduce = function(e) return Failure, e.code end })
end

probe("exception_not_rebuilt", function()
  local pool <close> = ctx.Pool(2)
  local what = name_of(pcall(pool.apply, pool, function() error(Failure(7, "no disk")) end))
  expect(pool:apply(math.abs, { -3 }) == 3, "the pool is of no use any more")
  return what .. "; the pool works on"
end)

probe("exit_in_a_task", function()
  local pool <close> = ctx.Pool(2)
  local what = name_of(pcall(pool.apply, pool, os.exit, { 3 }))
  expect(pool:apply(math.abs, { -3 }) == 3, "the pool is of no use any more")
  return what .. "; the pool works on"
end)

probe("callback_raises", function()
  local pool <close> = ctx.Pool(2)
  local function bad_callback() error "in the callback" end
  local r = pool:apply_async(math.abs, { -3 }, { callback = bad_callback })
  expect(r:get() == 3, "no result")
  expect(pool:apply(math.abs, { -4 }) == 4, "no second result")
  return "reported; the pool works on"
end)

probe("terminate_after_a_kill", function()
  local pool = ctx.Pool(2)
  mp.kill(pool:apply(mp.getpid), "SIGKILL")
  pool:terminate()
  pool:join()
  return "it ends"
end)

-- locks -----------------------------------------------------------------------------------------

probe("lock_holder_killed", function()
  local lock = ctx.Lock()
  kill(start_holding(lock.acquire, lock))
  local taken, how = lock:acquire(true, 3)
  expect(taken, "it stays locked for ever")
  return "acquire says it was " .. how
end)

probe("semaphore_permit_lost", function()
  local semaphore = ctx.BoundedSemaphore(2)
  kill(start_holding(semaphore.acquire, semaphore))
  expect(semaphore:acquire(true, 3) and semaphore:acquire(true, 3), "the permit is lost for good")
  return "both permits are there"
end)

probe("waiter_killed_before_set", function()
  local event = ctx.Event()
  kill(start_waiting(event.wait, event))
  event:set()
  return "set returns"
end)

probe("waiter_killed_before_notify", function()
  local condition = ctx.Condition()
  kill(start_waiting(function()
    condition:acquire()
    condition:wait()
  end))
  condition:acquire()
  condition:notify()
  condition:release()
  return "notify returns"
end)

probe("barrier_with_a_dead_party", function()
  local barrier = ctx.Barrier(2)
  kill(start_waiting(barrier.wait, barrier))
  local began = mp.now()
  local what = name_of(pcall(barrier.wait, barrier, 1))
  expect(mp.now() - began >= 0.9, "it went on with a dead one")
  return ("%s after %.0f s, as asked"):format(what, mp.now() - began)
end)

probe("value_lock_holder_killed", function()
  local value = ctx.Value("i", 0)
  kill(start_holding(value.acquire, value))
  value.value = 3
  expect(value.value == 3, "not written")
  return "the value is written"
end)

-- queues ----------------------------------------------------------------------------------------

probe("consumer_killed_in_get", function()
  local queue = ctx.Queue()
  kill(start_waiting(queue.get, queue))
  queue:put "job"
  local got, what = queue:try_get(3)
  expect(got and what == "job", "Empty, though a message is there")
  return "the next one gets it"
end)

-- A process that is killed in the middle of putting 200 MB.
local function killed_in_put(queue)
  local ready = ctx.Event()
  local p = start(function()
    local big = ("x"):rep(1 << 20)
    queue:put "first"
    ready:set()
    for _ = 1, 200 do queue:put(big) end
  end)
  ready:wait()
  mp.sleep(0.1)
  kill(p)
  expect(queue:get() == "first", "the first message is lost")
end

probe("producer_killed_in_put", function()
  local queue = ctx.Queue()
  killed_in_put(queue)
  while true do
    local got, message = queue:try_get()
    if not got then break end
    expect(#message == 1 << 20, "a message is cut")
  end
  return "what was put is there whole"
end)

probe("put_after_a_killed_producer", function()
  local queue = ctx.Queue()
  killed_in_put(queue)
  local p = start(function() queue:put "next" end)
  p:join()
  repeat until queue:get(true, 3) == "next"
  return "the next message arrives"
end)

probe("join_before_draining", function()
  local queue = ctx.Queue()
  local p = start(function() queue:put(("x"):rep(1 << 20)) end)
  p:join()
  expect(#queue:get() == 1 << 20, "not what was put")
  return "join returns, the message is there"
end)

probe("joinable_worker_killed", function()
  local queue = ctx.JoinableQueue()
  queue:put "job"
  kill(start_holding(queue.get, queue))
  return name_of(pcall(queue.join, queue))
end)

probe("list_100000_deep", function()
  local queue, list = ctx.Queue(), {}
  for _ = 1, 100000 do list = { list } end
  queue:put(list)
  local got, depth = queue:get(), 0
  while got[1] do got, depth = got[1], depth + 1 end
  expect(depth == 100000, "it is cut")
  return "it is passed"
end)

-- managers --------------------------------------------------------------------------------------

local Counter = { n = 0 }
Counter.__index = Counter
function Counter:new() return setmetatable({}, self) end
function Counter:pid() return mp.getpid() end -- luacheck: ignore 212
function Counter:add()
  self.n = self.n + 1
  return self.n
end

probe("manager_killed", function()
  local Manager = ctx.BaseManager:extend "Manager"
  Manager:register("Counter", Counter)
  local manager = Manager():start()
  local counter = manager:Counter()
  expect(counter:add() == 1, "no counter")
  mp.kill(counter:pid(), "SIGKILL")
  return name_of(pcall(counter.add, counter))
end)

probe("manager_lock_holder_killed", function()
  local manager = ctx.Manager()
  local lock = manager:Lock()
  kill(start_holding(lock.acquire, lock))
  local taken, how = lock:acquire(true, 3)
  expect(taken, "it stays locked for ever")
  return "acquire says it was " .. how
end)

-- processes -------------------------------------------------------------------------------------

probe("sigchld_ignored", function()
  if not arg[3] then -- Lua cannot ignore a signal: a shell does, and exec keeps it
    local again = "trap '' CHLD; exec %s %s sigchld_ignored %s again"
    os.exit((os.execute(again:format(arg[-1], arg[0], arg[2] or "fork"))))
  end
  local p = start(os.exit, 3)
  p:join(3)
  expect(not p:is_alive(), "a finished child is said to be alive")
  expect(p.exitcode == 3, "the exit code is lost")
  return "exitcode 3"
end)

local function main()
  if not arg[1] then return print(table.concat(names, "\n")) end
  local ok, what = pcall(probes[arg[1]] or error("no probe " .. arg[1]))
  if ok then return print("goes on: " .. what) end
  print("wrong: " .. (type(what) == "table" and what.wrong or tostring(what)))
end

main()
