--- Specs of faults around queues and pipes: storms of signals, dead partners, full memory.
-- MIT licence, see LICENSE

local helper = require "spec.helper"
local mp = require "multiprocessing"

local timed, stop = helper.timed, helper.stop

local start <const> = helper.starter(mp, true)

-- Producers and consumers that are ended by any signal, at any moment, and replaced. Producer w
-- writes into returned[w] what its last finished put was; consumers report what they got.
local function storm(q, kills, signals)
  local report, returned = mp.Queue(), mp.RawArray("q", kills + 8)
  local function produce(who)
    local n = 0
    while true do
      n = n + 1
      q:put { who, n, ("%d/%d "):format(who, n):rep(n % 700) }
      returned[who] = n
    end
  end
  local function consume(who)
    while true do
      local m = q:get()
      local whole = m[3] == ("%d/%d "):format(m[1], m[2]):rep(m[2] % 700)
      report:put { who, m[1], m[2], whole }
    end
  end
  local people, who, dead_consumers = {}, 0, 0
  local function replace(i)
    who = who + 1
    people[i] = start(i <= 2 and produce or consume, who)
  end
  for i = 1, 4 do replace(i) end
  for k = 1, kills do
    mp.sleep(math.random() * 0.03)
    local i = math.random(4)
    local signal = signals[1 + k % #signals]
    if signal == "STOP" then
      stop(people[i])
      signal = "SIGKILL"
    end
    mp.kill(people[i].pid, signal)
    assert(people[i]:join(20), "a process hangs after " .. signal)
    if i > 2 then dead_consumers = dead_consumers + 1 end
    replace(i)
  end
  for i = 1, 4 do
    people[i]:kill()
    people[i]:join()
  end
  return report, returned, dead_consumers + 2, who
end

local function check_storm(q, report, returned, dead_consumers, people)
  local left, seen, last = q:qsize(), {}, {}
  for _ = 1, left do
    local m = q:get(true, 20)
    report:put { 0, m[1], m[2], true }
  end
  assert.is_true(q:empty()) -- qsize was exact
  local got = report:qsize()
  for _ = 1, got do
    local r = report:get(true, 20)
    local consumer, producer, n = r[1], r[2], r[3]
    assert(r[4], "a message is torn")
    local key = producer .. "/" .. n
    assert(not seen[key], "a message came twice")
    seen[key] = true
    local order = consumer .. "<" .. producer
    assert(n > (last[order] or 0), "messages came out of order")
    last[order] = n
  end
  local lost = 0
  for w = 1, people do
    for n = 1, returned[w] do
      if not seen[w .. "/" .. n] then lost = lost + 1 end
    end
  end
  -- each consumer that died may have had one in its hands
  assert(lost <= dead_consumers, ("%d messages lost, %d consumers"):format(lost, dead_consumers))
  assert.is_true(got > 0)
end

describe("A queue", function()
  it("loses, doubles, tears and turns round nothing in a storm of signals", function()
    local seed = os.time()
    math.randomseed(seed)
    local q = mp.Queue(50)
    local ok, e = pcall(function()
      check_storm(q, storm(q, 60,
        { "SIGKILL", "SIGTERM", "SIGINT", "SIGABRT", "STOP", "SIGKILL", "SIGHUP" }))
    end)
    if not ok then error(("seed %d: %s"):format(seed, e)) end
  end)

  it("has 100 MB of a producer that ended before anybody read", function()
    local q = mp.Queue()
    local p = start(function()
      for i = 1, 10 do q:put(tostring(i % 10):rep(10 << 20)) end
    end)
    assert.is_true(p:join(60))
    assert.equal(0, p.exitcode)
    for i = 1, 10 do assert.equal(tostring(i % 10):rep(10 << 20), q:get(true, 20)) end
  end)

  it("that is full keeps its timeout when no consumer is alive", function()
    local q = mp.Queue(1)
    local p = start(function() q:get() q:get() end)
    q:put(1)
    helper.eventually(function() return q:empty() end)
    p:kill()
    p:join()
    q:put(2)
    local took, ok, e = timed(pcall, q.put, q, 3, true, 0.2)
    assert.is_false(ok)
    assert.is_true(mp.iserror(e, "Full"))
    assert.is_true(took >= 0.2 and took < 5)
    assert.equal(2, q:get())
  end)

  it("that is empty keeps its timeout when no producer is alive", function()
    local q = mp.Queue()
    start(function() q:put(1) end):join()
    assert.equal(1, q:get(true, 20))
    local took, ok, e = timed(pcall, q.get, q, true, 0.2)
    assert.is_false(ok)
    assert.is_true(mp.iserror(e, "Empty"))
    assert.is_true(took >= 0.2 and took < 5)
  end)

  it("holds up no other queue when a partner is stopped", function()
    local q, other = mp.Queue(), mp.Queue()
    local p = start(function()
      while true do q:put("x") q:get() end
    end)
    for _ = 1, 20 do
      mp.sleep(math.random() * 0.01)
      stop(p)
      local took = timed(function()
        other:put(1)
        other:get()
        pcall(other.get, other, true, 0)
      end)
      assert.is_true(took < 5)
      mp.kill(p.pid, "SIGCONT")
    end
    p:kill()
    p:join()
  end)

  it("passes messages around every size that matters", function()
    local q, back = mp.Queue(), mp.Queue()
    local p = start(function()
      for _, m in q:iter() do back:put(m) end
    end)
    local sizes = { 0, 1, 1 << 26 }
    for k = 8, 21 do
      for d = -1, 1 do table.insert(sizes, (1 << k) + d) end
    end
    for _, size in ipairs(sizes) do
      local m = ("%08x"):format(size):rep(size // 8 + 1):sub(1, size)
      q:put(m)
      assert(back:get(true, 60) == m, "another message of size " .. size)
    end
    q:shutdown()
    assert.is_true(p:join(20))
  end)

  it("says that memory is full, and goes on when there is some", function()
    if not helper.runs_in(90000) then return pending "a sanitizer needs more addresses" end
    for _, limit in ipairs { 100000, 400000 } do
      local out = helper.run([[
        local mp = require "multiprocessing"
        local q, big, n = mp.Queue(), ("x"):rep(1 << 20), 0
        local ok, e
        repeat
          ok, e = pcall(q.put, q, big)
          if ok then n = n + 1 end
        until not ok
        print(e, q:qsize() == n, n > 20)
        for _ = 1, n do assert(#q:get() == 1 << 20) end
        q:put(big)
        print(#q:get())
      ]], { setup = "ulimit -v " .. limit })
      assert.matches("not enough memory.*\ttrue\ttrue\n1048576\n$", out)
    end
  end)

  it("has nothing of a message whose __reduce fails, and takes calls from within", function()
    local q = mp.Queue()
    q:put "before"
    local hostile = setmetatable({}, { __reduce = function()
      q:put "within"
      error "no"
    end })
    local ok, e = pcall(q.put, q, { 1, hostile })
    assert.is_false(ok)
    assert.is_true(mp.iserror(e, "SerializationError"))
    local yields = setmetatable({}, { __reduce = coroutine.yield })
    assert.is_false(coroutine.wrap(function() return (pcall(q.put, q, yields)) end)())
    assert.equal(2, q:qsize())
    assert.equal("before", q:get())
    assert.equal("within", q:get())
  end)

  it("can be used in coroutines", function()
    local q = mp.Queue()
    local receive = coroutine.wrap(function()
      while true do coroutine.yield(q:get(true, 20)) end
    end)
    for i = 1, 100 do
      coroutine.wrap(function() q:put(i) end)()
      assert.equal(i, receive())
    end
  end)
end)

describe("A pipe", function()
  it("takes more than anybody reads, at both ends", function()
    local a, b = mp.Pipe()
    local p = start(function()
      b:send(("b"):rep(20 << 20))
      assert(#b:recv() == 20 << 20)
    end)
    a:send(("a"):rep(20 << 20))
    assert.equal(20 << 20, #a:recv())
    assert.is_true(p:join(20))
    assert.equal(0, p.exitcode)
  end)

  it("without a reader is an error, with SIGPIPE as it was", function()
    local a, b = mp.Pipe()
    local p = start(function() a:close() b:recv() end)
    b:close()
    a:send(1)
    assert.is_true(p:join(20))
    helper.eventually(function()
      local ok, e = pcall(a.send, a, 2)
      return not ok and mp.iserror(e, "EOFError")
    end)
  end)
end)

describe("What dead processes had in hand", function()
  it("is memory again", function()
    local q = mp.Queue(4)
    helper.leaks_nothing(function()
      for _ = 1, 20 do
        local p = start(function()
          while true do
            q:put(("x"):rep(math.random(100000)))
            q:get()
          end
        end)
        mp.sleep(math.random() * 0.01)
        p:kill()
        p:join()
        while q:try_get() do end -- luacheck: ignore
      end
    end)
  end)
end)
