--- Specs of BaseManager: objects of own classes in a server process, within the family.

-- luacheck: ignore 212/self

local helper = require "spec.helper"

-- classes of every make ---------------------------------------------------------------------------

local Counter = {} -- new by a colon
Counter.__index = Counter

function Counter:new(n)
  return setmetatable({ n = n or 0 }, self)
end

function Counter:add(k)
  self.n = self.n + (k or 1)
  return self.n
end

function Counter:chain()
  self.n = self.n + 1
  return self
end

function Counter:value() return self.n end
function Counter:both() return self.n, nil, "x", nil end
function Counter:nothing() end
function Counter:fail(e) error(e, 0) end
function Counter:_secret() return "secret" end
function Counter:visit(f, ...) return f(self, ...) end
function Counter:take(other) return rawequal(self, other), getmetatable(other) == Counter end
function Counter:thread() return coroutine.create(print) end
function Counter:pid() return require("multiprocessing").getpid() end
function Counter:put_into(q, v) q:put(v) end

local Point = {} -- new by a dot
Point.__index = Point
function Point.new(x, y) return setmetatable({ x = x, y = y }, Point) end
function Point:sum() return self.x + self.y end

local Called = setmetatable({}, { __call = function(_, name)
  return { name = function() return name end }
end })

local function error_of(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  return e
end

local function raises(mp, name, f, ...)
  local e = error_of(f, ...)
  assert(mp.iserror(e, name), ("%s expected, got %s"):format(name, tostring(e)))
  return e
end

helper.each_method(function(mp)
  local My = mp.BaseManager:extend "MyManager"
  My:register("Counter", Counter)
  My:register("Point", Point)
  My:register("Called", Called)
  My:register("Time", function() return { now = function() return os.time() end } end)

  describe("BaseManager", function()
    it("keeps objects of own classes in a server process", function()
      helper.leaks_nothing(function()
        local m <close> = My():start()
        local c = m:Counter(10)
        assert.equal(15, c:add(5))
        assert.equal(15, c:value())
        assert.equal(15, c:_getvalue().n)
        assert.not_equal(mp.getpid(), c:pid())
        assert.equal(3, m:Point(1, 2):sum())
        assert.equal("x", m:Called("x"):name())
        assert.is_true(m:Time():now() > 0)
        assert.equal(1, m:Counter():add())
        assert.equal(15, c:value())
      end)
    end)

    it("passes all arguments and results", function()
      local m <close> = My():start()
      local c = m:Counter(7)
      assert.same({ n = 4, 7, nil, "x", nil }, table.pack(c:both()))
      assert.equal(0, select("#", c:nothing()))
      assert.same({ n = 3, nil, 2, nil },
        table.pack(c:visit(function(_, ...) return ... end, nil, 2, nil)))
      assert.equal(8, c:visit(function(self) return self:add() end))
      local big = ("x"):rep(3 << 20)
      assert.is_true(big == c:visit(function(_, s) return s end, big))
      local q = mp.Queue()
      c:put_into(q, "by the server")
      assert.equal("by the server", q:get(true, 5))
    end)

    it("gives the proxy back for a method that returns its object", function()
      local m <close> = My{ address = "127.0.0.1:0", authkey = "k" }:start()
      local other <close> = My{ address = m.address, authkey = "k" }:connect()
      for _, manager in ipairs { m, other } do
        local c = manager:Counter(1)
        assert.is_true(rawequal(c, c:chain():chain()))
        assert.equal(3, c:value())
        assert.equal(3, c:_callmethod("value"))
        assert.matches("string expected, got nil", error_of(c._callmethod, c), 1, true)
      end
    end)

    it("names what is not there", function()
      local m <close> = My():start()
      local c = m:Counter()
      assert.matches("spec.-:%d+: a Counter has no method 'substract'",
        error_of(function() c:substract(1) end))
      assert.matches("spec.-:%d+: method '_secret' of a Counter is hidden",
        error_of(function() c:_secret() end))
      assert.matches("spec.-:%d+: 'n' of a Counter is no method",
        error_of(function() c:n() end))
      assert.matches("call it with a colon", error_of(function() c.add(1) end), 1, true)
      assert.matches("has methods only", error_of(function() return c[1] end), 1, true)
      assert.matches("'__newindex' is not exposed", error_of(function() c.x = 1 end), 1, true)
      assert.matches("'__len' is not exposed", error_of(function() return #c end), 1, true)
      assert.is_nil(m.Nothing)
      assert.equal(1, c:add())
    end)

    it("passes errors on with value, traceback and pid", function()
      local m <close> = My():start()
      local c = m:Counter()
      local e = raises(mp, "RemoteError", c.fail, c, { code = 5 })
      assert.equal(5, e.value.code)
      assert.equal(c:pid(), e.pid)
      assert.matches("base_spec.lua:%d+: in function", e.traceback)
      assert.not_matches("multiprocessing/manager/", e.traceback, 1, true)
      e = raises(mp, "RemoteError", c.fail, c, "a string")
      assert.equal("a string", e.value)
      assert.equal("a string", e.message)
      e = raises(mp, "RemoteError", c.visit, c, function() mp.Queue():get_nowait() end)
      assert.is_true(e:is "Empty")
      e = raises(mp, "RemoteError", c.visit, c, function() error(coroutine.create(print)) end)
      assert.matches("^thread: ", e.value)
      e = raises(mp, "RemoteError", c.thread, c)
      assert.is_true(e:is "SerializationError")
      assert.matches("result 1", e.value.message, 1, true)
      e = raises(mp, "SerializationError", c.visit, c, print, coroutine.create(print))
      assert.matches("argument 2", e.message, 1, true)
      e = raises(mp, "RemoteError", m.Point, m, nil, setmetatable({}, { __reduce = function()
        return error, "it cannot be made"
      end }))
      assert.is_true(e:is "SerializationError" or e.message:find "cannot be made" ~= nil)
      assert.equal(1, c:add())
    end)

    it("has proxies that can be sent to processes and come home as objects", function()
      local m <close> = My():start()
      local c = m:Counter()
      local list = {}
      for i = 1, 3 do
        list[i] = mp.Process{ target = function(counter, n)
          for _ = 1, n do counter:add() end
        end, args = { c, 20 } }
        list[i]:start()
      end
      for _, p in ipairs(list) do assert.is_true(p:join(20)) end
      assert.equal(60, c:value())
      assert.same({ true, true }, { c:take(c) })
      assert.same({ false, true }, { c:take(m:Counter()) })
      local function is_own(self, t) return t.deep.own == self end
      assert.is_true(c:visit(is_own, { deep = { own = c } }))
      local q = mp.Queue()
      q:put(c)
      local same = q:get()
      assert.is_true(same == c)
      assert.is_false(c == m:Counter())
      local pool <close> = mp.Pool(2)
      assert.same({ n = 4, 1, 2, 3, 4 }, (function(t)
        table.sort(t)
        return t
      end)(pool:map(function(counter) return counter:add() - 60 end, { c, c, c, c })))
    end)

    it("can itself be sent", function()
      local m <close> = My():start()
      local q = mp.Queue()
      local p = mp.Process{ target = function(manager, results)
        local c = manager:Counter(5)
        results:put(c)
        c:add(1)
        results:put{ pcall(manager.shutdown, manager) }
      end, args = { m, q } }
      p:start()
      local c = q:get(true, 20)
      assert.matches("only the process that started it can", q:get(true, 20)[2], 1, true)
      assert.is_true(p:join(20))
      assert.equal(6, c:value())
    end)

    it("drops an object when its last proxy is gone", function()
      local m <close> = My():start()
      local keep = m:Counter()
      do
        local c = m:Counter()
        local q = mp.Queue()
        q:put(c)
        c = nil -- luacheck: ignore
        collectgarbage()
        assert.equal(2, m:number_of_objects()) -- it is in the queue
        c = q:get()
        assert.equal(1, c:add())
      end
      collectgarbage()
      collectgarbage()
      helper.eventually(function() return m:number_of_objects() == 1 end)
      assert.equal(1, keep:add())
    end)

    it("drops the objects of a client that was killed", function()
      local m <close> = My():start()
      local q = mp.Queue()
      local p = mp.Process{ target = function(manager, told)
        local objects = {}
        for i = 1, 10 do objects[i] = manager:Counter(i) end
        told:put(#objects)
        mp.sleep(60)
      end, args = { m, q } }
      p:start()
      assert.equal(10, q:get(true, 20))
      assert.equal(10, m:number_of_objects())
      p:kill()
      p:join()
      helper.eventually(function() return m:number_of_objects() == 0 end)
    end)

    it("runs slow calls beside others'", function()
      local m <close> = My():start()
      local c, other, busy = m:Counter(), m:Counter(), mp.Event()
      local function slow(counter, how)
        counter:visit(how, busy)
      end
      local function works(self, event)
        event:set()
        while self.n < 5 do end
      end
      local function works_inside(self, event)
        event:set()
        local co = coroutine.wrap(function()
          while self.n < 5 do end
          coroutine.yield(1)
        end)
        co()
      end
      local function sleeps(self, event)
        event:set()
        while self.n < 5 do mp.sleep(0.001) end
      end
      for _, how in ipairs { works, works_inside, sleeps } do
        local mine = m:Counter()
        local p = mp.Process{ target = slow, args = { mine, how } }
        busy:clear()
        p:start()
        assert.is_true(busy:wait(20))
        for _ = 1, 5 do other:add() end
        assert.is_true(p:is_alive())
        for _ = 1, 5 do mine:add() end -- of the same object, too
        assert.is_true(p:join(20))
        assert.equal(0, p.exitcode)
      end
      assert.equal(0, c:value())
    end)

    it("gives way in the library's own waiting", function()
      local m <close> = My():start()
      local c = m:Counter()
      local q, lock, event = mp.Queue(), mp.Lock(), mp.Event()
      lock:acquire()
      local here, there = mp.Pipe()
      local waits = {
        function(_, x) return x:get() end,
        function(_, _, x) return x:acquire() end,
        function(_, _, _, x) return x:wait() end,
        function(_, _, _, _, x) return x:recv() end,
        function(_, x) return select(2, x:try_get(20)) end,
        function(_, x) return x:get_many(5)[1] end,
        function(_, _, _, _, x) return x:poll(20) and x:recv() end,
      }
      local ends = {
        function() q:put "got" end, function() lock:release() end, function() event:set() end,
        function() here:send "got" end, function() q:put "got" end, function() q:put "got" end,
        function() here:send "got" end,
      }
      for i, f in ipairs(waits) do
        local done = mp.Queue()
        local p = mp.Process{ target = function(counter, way, results, ...)
          counter:add(1)
          results:put((counter:visit(way, ...)))
        end, args = { c, f, done, q, lock, event, there } }
        p:start()
        helper.eventually(function() return c:value() == i end, 20)
        assert.is_false(done:try_get(0.02))
        assert.equal(i, c:value())
        ends[i]()
        assert.is_truthy(done:get(true, 20))
        p:join()
      end
    end)

    it("starts with an initializer, whose error start raises", function()
      local m <close> = My():start(function(...) rawset(_G, "initial", { ... }) end, { 1, 2 })
      assert.equal(2, m:Counter():visit(function() return rawget(_G, "initial")[2] end))
      local e = raises(mp, "RemoteError", function()
        My():start(function() error({ why = "so" }) end)
      end)
      assert.equal("so", e.value.why)
      local ended = raises(mp, "ProcessError", function() My():start(function() os.exit(3) end) end)
      assert.matches("exit code 3", ended.message, 1, true)
    end)

    it("shuts down", function()
      local m = My():start()
      local c = m:Counter()
      assert.is_false(m:join(0))
      m:shutdown()
      m:shutdown()
      assert.is_true(m:join())
      raises(mp, "ClosedError", m.Counter, m)
      raises(mp, "ManagerLostError", c.add, c)
      assert.matches("shut down; make another", error_of(function() m:start() end), 1, true)
    end)
  end)
end)
