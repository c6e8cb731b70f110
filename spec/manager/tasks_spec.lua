--- Specs of calls that run side by side in a manager's server, wherever they are interrupted.

-- luacheck: ignore 212/self

require "spec.helper"
local mp = require "multiprocessing"

local Thing = {}
Thing.__index = Thing
function Thing.new() return setmetatable({ n = 0 }, Thing) end

function Thing:incr()
  self.n = self.n + 1
  return self.n
end

function Thing:value() return self.n end
function Thing:await(n)
  while self.n < n do mp.sleep(0.001) end
end

function Thing:run(f, ...) return f(self, ...) end

local My = mp.BaseManager:extend "My"
My:register("Thing", Thing)
My:register("Serial", Thing, { serial = true })

-- Processor time: a task is interrupted after some milliseconds of it.
local function burn(seconds)
  local ending = os.clock() + seconds
  while os.clock() < ending do end
end

-- Each is long enough to be interrupted, and asks for the right results.
local cases = {}

function cases.loops() burn(0.1) end

function cases.comparisons()
  local list = {}
  for k = 1, 20 do
    for i = 1, 1000 do list[i] = i * 7919 * k % 2003 end
    table.sort(list, function(a, b) return a < b end)
    for i = 2, #list do assert(list[i - 1] <= list[i]) end
  end
end

function cases.callbacks()
  local n = 0
  for _ = 1, 40 do
    (("x"):rep(1000)):gsub(".", function()
      n = n + 1
      for _ = 1, 20 do end
    end)
  end
  assert(n == 40000)
end

function cases.protected_calls()
  for i = 1, 20 do
    local ok, e = pcall(function()
      burn(0.006)
      error("x" .. i, 0)
    end)
    assert(not ok and e == "x" .. i)
  end
end

function cases.metamethods()
  local mt = {
    __add = function() burn(0.002) return 5 end,
    __lt = function() burn(0.002) return true end,
    __eq = function() burn(0.002) return true end,
    __len = function() burn(0.002) return 7 end,
    __concat = function() return "c" end,
    __close = function() burn(0.02) mp.sleep(0.001) end,
  }
  mt.__index = function(_, k) burn(0.002) return k end
  local a, b = setmetatable({}, mt), setmetatable({}, mt)
  for i = 1, 10 do
    assert(a[i] == i and a + 1 == 5 and a < b and a == b and #a == 7 and a .. 1 == "c")
    local closed <close> = a -- luacheck: ignore 211
  end
end

function cases.coroutines()
  local numbers = coroutine.wrap(function()
    for i = 1, 5 do
      burn(0.02)
      mp.sleep(0.001)
      coroutine.yield(i)
    end
  end)
  for i = 1, 5 do assert(numbers() == i) end
  local co = coroutine.create(function(a)
    burn(0.03)
    local b = coroutine.yield(a + 1)
    burn(0.03)
    error("bad" .. b, 0)
  end)
  local ok, v = coroutine.resume(co, 1)
  assert(ok and v == 2 and coroutine.status(co) == "suspended")
  ok, v = coroutine.resume(co, 7)
  assert(not ok and v == "bad7" and coroutine.status(co) == "dead")
  ok, v = coroutine.resume(co)
  assert(not ok and v == "cannot resume dead coroutine")
  assert(select("#", coroutine.resume(coroutine.create(function() return nil, nil end))) == 3)
  assert(not pcall(coroutine.wrap(function() error "x" end)))
  assert(coroutine.isyieldable())
end

function cases.recursion()
  local function count(n)
    if n > 0 then return 1 + count(n - 1) end
    burn(0.03)
    return 0
  end
  assert(count(10000) == 10000)
  local function endless() return 1 + endless() end
  local ok, e = pcall(endless)
  assert(not ok and e:find "overflow")
end

function cases.loading()
  local parts = 0
  local f = load(function()
    burn(0.004)
    parts = parts + 1
    return parts <= 10 and "x = (x or 0) + 1 " or nil
  end, "=part", "t", {})
  assert(f)
  f()
end

function cases.varargs()
  local function f(...)
    burn(0.02)
    return select("#", ...), ...
  end
  for _ = 1, 4 do
    local n, a, b, c = f(1, nil, 3)
    assert(n == 3 and a == 1 and b == nil and c == 3)
  end
end

function cases.yields_of_its_own()
  for i = 1, 10 do assert(coroutine.yield(i, 2) == nil) end
end

function cases.pools()
  local pool <close> = mp.Pool(2)
  local squares = pool:map(function(x)
    mp.sleep(0.01)
    return x * x
  end, { 1, 2, 3, 4, 5, 6 })
  assert(squares.n == 6 and squares[6] == 36)
  for i, r in pool:imap(function(x) return -x end, { 1, 2, 3 }) do assert(i == -r) end
  assert(pool:apply_async(function() return "x" end):get(20) == "x")
end

function cases.blocking_calls()
  local q, lock, event = mp.Queue(1), mp.Lock(), mp.Event()
  q:put(1)
  assert(not pcall(q.put, q, 2, true, 0.01))
  assert(q:get() == 1 and not pcall(q.get, q, true, 0.01))
  assert(lock:acquire() and not lock:acquire(true, 0.01))
  assert(not event:wait(0.01) and #mp.wait({ q }, 0.01) == 0)
  local p = mp.Process{ target = function() q:put "from a child" end }
  p:start()
  assert(p:join(20) and q:get() == "from a child")
  for n, v in coroutine.wrap(function()
    q:put "x"
    q:shutdown()
    for i, x in q:iter() do coroutine.yield(i, x) end
  end) do
    assert(n == 1 and v == "x")
  end
end

describe("a call in a manager's server", function()
  it("may be interrupted anywhere, and others run meanwhile", function()
    local m <close> = My():start()
    local thing, other = m:Thing(), m:Thing()
    local results, processes = mp.Queue(), {}
    for name, f in pairs(cases) do
      local p = mp.Process{ target = function()
        local ok, e = pcall(thing.run, thing, f)
        results:put{ name, ok or tostring(e) }
      end }
      p:start()
      processes[#processes + 1] = p
    end
    local left, calls = #processes, 0
    while left > 0 do
      calls = calls + 1
      assert.equal(calls, other:incr())
      local done, result = results:try_get()
      if done then
        assert.is_true(result[2], result[1] .. ": " .. tostring(result[2]))
        left = left - 1
      end
    end
    assert.is_true(calls > #processes)
    for _, p in ipairs(processes) do p:join() end
  end)

  it("that is short is never interrupted", function()
    local m <close> = My():start()
    local thing, list = m:Thing(), {}
    for i = 1, 4 do
      list[i] = mp.Process{ target = function()
        for _ = 1, 250 do thing:incr() end
      end }
      list[i]:start()
    end
    for _, p in ipairs(list) do assert.is_true(p:join(30)) end
    assert.equal(1000, thing:value())
  end)

  it("waits for the one before it where the type says serial", function()
    local m <close> = My():start()
    local thing, list = m:Serial(), {}
    for i = 1, 3 do
      list[i] = mp.Process{ target = function()
        for _ = 1, 3 do
          thing:run(function(self)
            assert(not self.busy)
            self.busy = true
            burn(0.015)
            mp.sleep(0.005)
            self.busy = false
          end)
        end
      end }
      list[i]:start()
    end
    for _, p in ipairs(list) do
      assert.is_true(p:join(30))
      assert.equal(0, p.exitcode)
    end
  end)

  it("fails alone for lack of memory or stack", function()
    local m <close> = My():start()
    local thing = m:Thing()
    local function endless() return 1 + endless() end
    local ok, e = pcall(thing.run, thing, endless)
    assert.is_false(ok)
    assert.matches("stack overflow", e.message, 1, true)
    local limit_memory = require("multiprocessing.core.process").limit_memory
    ok, e = pcall(thing.run, thing, function()
      limit_memory(20 << 20)
      local list = {}
      for i = 1, 100 do list[i] = ("x"):rep(1 << 20) .. i end
      return list
    end)
    assert.is_false(ok)
    assert.equal("not enough memory", e.message)
    assert.equal(1, thing:incr())
  end)

  it("may call another manager's objects", function()
    local m <close> = My():start()
    local n <close> = My{ address = "127.0.0.1:0", authkey = "k" }:start()
    local client <close> = My{ address = n.address, authkey = "k" }:connect()
    for _, theirs in ipairs { n:Thing(), client:Thing() } do
      local mine, list = m:Thing(), {}
      for i = 1, 3 do
        list[i] = mp.Process{ target = function()
          mine:run(function(_, proxy)
            for _ = 1, 20 do proxy:incr() end
          end, theirs)
        end }
        list[i]:start()
      end
      for _, p in ipairs(list) do
        assert.is_true(p:join(30))
        assert.equal(0, p.exitcode)
      end
      assert.equal(60, theirs:value())
    end
  end)
end)

describe("a call of another manager's object", function()
  it("lets others run meanwhile in a server, too", function()
    local m <close> = My():start()
    local n <close> = My{ address = "127.0.0.1:0", authkey = "k" }:start()
    local client <close> = My{ address = n.address, authkey = "k" }:connect()
    for _, other in ipairs { n, client } do
      local mine, theirs, begun = m:Thing(), other:Thing(), mp.Event()
      local p = mp.Process{ target = function()
        mine:run(function(_, proxy)
          begun:set()
          proxy:await(3)
        end, theirs)
      end }
      p:start()
      assert.is_true(begun:wait(20))
      for _ = 1, 3 do
        assert.equal(0, mine:value())
        assert.is_true(p:is_alive())
        theirs:incr()
      end
      assert.is_true(p:join(20))
      assert.equal(0, p.exitcode)
    end
  end)
end)

describe("operators of a proxy", function()
  it("are there when they are exposed", function()
    local Vector = {}
    Vector.__index = function(v, k) return Vector[k] or rawget(v, "fields")[k] end
    function Vector.__newindex(v, k, x) rawget(v, "fields")[k] = x end
    function Vector.new(...) return setmetatable({ fields = { ... } }, Vector) end
    function Vector:__len() return #rawget(self, "fields") end
    function Vector:__call(k) return self[k], #self end
    function Vector.__add(a, b) return type(a) == "number" and a - b[1] or a[1] + b end
    function Vector:__unm() return -self[1] end
    function Vector.__lt(a, b) return a[1] < b end
    function Vector:__tostring() return "vector of " .. #self end
    function Vector:first() return self[1] end
    local Vectors = mp.BaseManager:extend "Vectors"
    Vectors:register("Vector", Vector, { exposed = { "__index", "__newindex", "__len", "__call",
      "__add", "__unm", "__lt", "__tostring", "first" } })
    local m <close> = Vectors():start()
    local v = m:Vector(5, 6, 7)
    assert.equal(3, #v)
    v[4] = 8
    assert.equal(8, v[4])
    v.name = "x"
    assert.equal("x", v.name)
    assert.same({ n = 2, 6, 4 }, table.pack(v(2)))
    assert.equal(7, v + 2)
    assert.equal(-3, 2 + v)
    assert.equal(-5, -v)
    assert.is_true(v < 9)
    assert.equal("vector of 4", tostring(v))
    assert.equal(5, v:first())
    assert.same({ 5, 6, 7, 8, name = "x" }, rawget(v:_getvalue(), "fields"))
    assert.equal(5, v:_callmethod("first"))
    assert.matches("'__sub' is not exposed", select(2, pcall(function() return v - 1 end)), 1, true)
  end)
end)
