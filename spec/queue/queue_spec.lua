--- Specs of Queue, SimpleQueue and JoinableQueue, from the user's side.

local helper = require "spec.helper"
local mp = require "multiprocessing"

local error_of <const>, raises <const> = helper.error_of, helper.raises

describe("Queue", function()
  describe("constructor", function()
    it("takes maxsize in order or by name", function()
      for _, q in ipairs{ mp.Queue(1), mp.Queue{ maxsize = 1 }, mp.JoinableQueue(1) } do
        q:put(1)
        assert.is_true(q:full())
      end
      assert.is_false(mp.Queue{}:full())
      assert.is_false(mp.Queue(-1):full())
    end)

    it("names an unknown option and a wrong type", function()
      assert.matches("unknown option 'size' to 'Queue'", error_of(mp.Queue, { size = 1 }), 1, true)
      assert.matches("bad argument #1 to 'Queue'", error_of(mp.Queue, "x"), 1, true)
      assert.matches("bad argument #1 to 'Queue'", error_of(mp.Queue, 1.5), 1, true)
      assert.matches("SimpleQueue", error_of(mp.SimpleQueue, 1), 1, true)
    end)
  end)

  describe(":put() and :get()", function()
    it("keep order and values, nil too", function()
      local q = mp.Queue()
      local values = { 1, "two", 3.5, true, "", ("x"):rep(100000), math.mininteger }
      for _, v in ipairs(values) do q:put(v) end
      q:put(nil)
      q:put{ a = { b = 1 } }
      for _, v in ipairs(values) do assert.equal(v, q:get()) end
      assert.is_nil(q:get())
      assert.equal(1, q:get().a.b)
      assert.is_true(q:empty())
    end)

    it("copy the value at the call", function()
      local q = mp.Queue()
      local t = { 1 }
      q:put(t)
      t[1] = 2
      assert.equal(1, q:get()[1])
    end)

    it("pass messages of any size", function()
      local q = mp.Queue()
      for _, n in ipairs{ 0, 1, 2040, 2048, 2049, 65535, 65536, 1 << 20, 64 << 20 } do
        local s = ("s"):rep(n)
        q:put(s)
        assert.is_true(q:get() == s, n)
      end
    end)

    it("want a value", function()
      local q = mp.Queue()
      assert.matches("bad argument #1 to 'put'", error_of(function() q:put() end), 1, true)
    end)

    it("refuse what is no boolean or no number", function()
      local q = mp.Queue()
      assert.matches("bad argument #2 to 'put'", error_of(function() q:put(1, 2) end), 1, true)
      assert.matches("bad argument #1 to 'get'", error_of(function() q:get(0) end), 1, true)
      assert.matches("NaN", error_of(function() q:get(true, 0 / 0) end), 1, true)
      assert.equal(0, q:qsize())
    end)

    it("leave the queue as it was when a value cannot be sent", function()
      local q = mp.Queue()
      q:put(1)
      local e = raises("SerializationError", q.put, q, { x = { coroutine.create(print) } })
      assert.matches("thread", e.message, 1, true)
      raises("SerializationError", q.put_many, q, { 2, 3, io.tmpfile() })
      assert.equal(1, q:qsize())
      assert.equal(1, q:get())
    end)

    it("carry queues and connections", function()
      local q = mp.Queue()
      local inner, a, b = mp.Queue(), mp.Pipe()
      q:put{ inner, b }
      b:close()
      local got = q:get()
      assert.equal(inner, got[1])
      inner:put "x"
      assert.equal("x", got[1]:get())
      a:send "y"
      assert.equal("y", got[2]:recv())
    end)
  end)

  describe("timeouts", function()
    it("raise Empty and Full, not before and not much after", function()
      local q = mp.Queue(1)
      raises("Empty", q.get_nowait, q)
      raises("Empty", q.get, q, false)
      raises("Empty", q.get, q, true, 0)
      raises("Empty", q.get, q, true, -1)
      local start = mp.now()
      raises("Empty", q.get, q, true, 0.05)
      local took = mp.now() - start
      assert.is_true(took >= 0.05 and took < 0.5, took)
      q:put(1)
      raises("Full", q.put_nowait, q, 2)
      raises("Full", q.put, q, 2, true, 0.02)
      assert.equal(1, q:qsize())
    end)
  end)

  describe(":try_get()", function()
    it("says what there is", function()
      local q = mp.Queue()
      assert.same({ false, "Empty" }, { q:try_get() })
      q:put(nil)
      assert.same({ true, nil, n = 2 }, table.pack(q:try_get()))
      q:shutdown()
      assert.same({ false, "ShutDown" }, { q:try_get(1) })
    end)
  end)

  describe(":put_many() and :get_many()", function()
    it("move lists", function()
      local q = mp.Queue()
      q:put_many{ 1, 2, nil, 4, n = 5 }
      assert.equal(5, q:qsize())
      local list = q:get_many(3)
      assert.same({ 1, 2, nil, n = 3 }, list)
      assert.same({ 4, nil, n = 2 }, q:get_many(100))
      raises("Empty", q.get_many, q, 1, 0)
      q:put_many{}
      assert.is_true(q:empty())
    end)

    it("mix short, long and shared values, in order", function()
      local q, other = mp.Queue(), mp.Queue()
      local list = {}
      for i = 1, 1000 do
        list[i] = i % 7 == 0 and ("x"):rep(3000) .. i or i % 11 == 0 and { other, i } or i
      end
      q:put_many(list)
      local at = 0
      while at < 1000 do
        local got = q:get_many(64)
        for i = 1, got.n do
          at = at + 1
          if type(list[at]) == "table" then
            assert.equal(other, got[i][1])
            assert.equal(at, got[i][2])
          else
            assert.equal(list[at], got[i])
          end
        end
      end
      assert.is_true(q:empty())
    end)

    it("say how many were put before the queue was full", function()
      local q = mp.Queue(3)
      local e = raises("Full", q.put_many, q, { 1, 2, 3, 4, 5 }, true, 0.01)
      assert.equal(3, e.value)
      assert.same({ 1, 2, 3, n = 3 }, q:get_many(10))
    end)

    it("give the others when a message cannot be decoded", function()
      local q = mp.Queue()
      local bad = setmetatable({}, { __reduce = function() return error, "not again" end })
      q:put_many{ 1, bad, 3, bad, 5 }
      local e = error_of(q.get_many, q, 10)
      assert.matches("not again", tostring(e), 1, true)
      assert.same({ 1, 3, 5, n = 3 }, e.value)
      assert.is_true(q:empty())
    end)

    it("refuse a max below 1", function()
      assert.matches("bad argument #1 to 'get_many'",
        error_of(function() mp.Queue():get_many(0) end), 1, true)
    end)
  end)

  describe(":shutdown()", function()
    it("lets getters drain the queue", function()
      local q = mp.Queue()
      q:put_many{ "a", "b" }
      q:shutdown()
      q:shutdown()
      raises("ShutDown", q.put, q, "c")
      raises("ShutDown", q.put_many, q, { "c" })
      local seen = {}
      for n, v in q:iter() do seen[n] = v end
      assert.same({ "a", "b" }, seen)
      raises("ShutDown", q.get, q)
      raises("ShutDown", q.get_many, q, 5)
    end)

    it("drops what is there when immediate", function()
      local q = mp.JoinableQueue()
      q:put_many{ "a", ("b"):rep(5000) }
      q:shutdown(true)
      assert.equal(0, q:qsize())
      raises("ShutDown", q.get, q)
      assert.is_true(q:join(1))
    end)
  end)

  describe(":close()", function()
    it("ends every use", function()
      local q = mp.Queue()
      q:close()
      q:close()
      for _, method in ipairs{ "put", "get", "qsize", "empty", "shutdown", "try_get" } do
        raises("ClosedError", q[method], q, 1)
      end
      q:join_thread()
      q:cancel_join_thread()
    end)

    it("frees all memory", function()
      mp.Queue():put(1)
      helper.leaks_nothing(function()
        local q = mp.Queue()
        for i = 1, 1000 do q:put(i % 3 == 0 and ("x"):rep(3000) or i) end
        q:close()
      end)
    end)
  end)

  describe("JoinableQueue", function()
    it("counts what is undone", function()
      local q = mp.JoinableQueue()
      assert.is_true(q:join())
      q:put(1)
      assert.is_false(q:join(0))
      q:get()
      assert.is_false(q:join(0.01))
      q:task_done()
      assert.is_true(q:join(0))
      assert.matches("more often", error_of(q.task_done, q), 1, true)
    end)

    it("is the only one with task_done and join", function()
      assert.matches("JoinableQueue", error_of(mp.Queue().task_done, mp.Queue()), 1, true)
      assert.matches("JoinableQueue", error_of(mp.Queue().join, mp.Queue()), 1, true)
    end)
  end)
end)

helper.each_method(function(ctx)
  local start <const> = helper.starter(ctx)

  describe("Queue between processes", function()
    it("has what a producer put that has ended since", function()
      local q = ctx.Queue()
      local p = start(function(queue)
        for i = 1, 500 do queue:put{ i, ("x"):rep(i * 10) } end
      end, q)
      assert.is_true(p:join(10)) -- not drained: no deadlock
      assert.equal(0, p.exitcode)
      assert.equal(500, q:qsize())
      for i = 1, 500 do
        local v = q:get()
        assert.equal(i, v[1])
        assert.equal(i * 10, #v[2])
      end
    end)

    it("has what a producer put that was killed", function()
      local q = ctx.Queue()
      local p = start(function(queue, getpid, kill)
        queue:put "whole"
        kill(getpid(), 9)
      end, q, mp.getpid, mp.kill)
      p:join(10)
      assert.equal("whole", q:get(true, 5))
    end)

    it("gives each message to one consumer", function()
      local q, results = ctx.Queue(), ctx.Queue()
      local ps = {}
      for i = 1, 3 do
        ps[i] = start(function(from, to)
          local sum, count = 0, 0
          for _, v in from:iter() do sum, count = sum + v, count + 1 end
          to:put{ sum, count }
        end, q, results)
      end
      for i = 1, 3000 do q:put(i) end
      q:shutdown()
      local sum, count = 0, 0
      for _ = 1, 3 do
        local r = results:get(true, 10)
        sum, count = sum + r[1], count + r[2]
      end
      assert.equal(3000 * 3001 // 2, sum)
      assert.equal(3000, count)
      for _, p in ipairs(ps) do assert.is_true(p:join(10)) end
    end)

    it("makes producers wait for room", function()
      local q = ctx.Queue(2)
      local p = start(function(queue)
        for i = 1, 50 do queue:put(i) end
      end, q)
      helper.eventually(function() return q:full() end)
      assert.equal(2, q:qsize())
      for i = 1, 50 do assert.equal(i, q:get(true, 5)) end
      assert.is_true(p:join(10))
    end)

    it("goes on when a consumer is killed in get", function()
      local q = ctx.Queue()
      for _ = 1, 5 do
        local p = start(function(queue) queue:get() end, q)
        mp.sleep(0.02)
        p:kill()
        p:join()
        q:put "x"
        assert.equal("x", q:get(true, 2))
      end
    end)

    it("wakes those who wait when it is shut down", function()
      local q, told = ctx.Queue(), ctx.Queue()
      local p = start(function(queue, to)
        to:put(select(2, queue:try_get(20)))
      end, q, told)
      mp.sleep(0.05)
      q:shutdown()
      assert.equal("ShutDown", told:get(true, 5))
      assert.is_true(p:join(10))
    end)

    it("reaches a process that runs already", function()
      local a, b = ctx.Queue(), ctx.Queue()
      local p = start(function(from, to)
        local third = from:get()
        third:put "by the third"
        to:put "sent"
      end, a, b)
      local late = ctx.Queue()
      a:put(late)
      assert.equal("by the third", late:get(true, 10))
      assert.equal("sent", b:get(true, 10))
      assert.is_true(p:join(10))
    end)

    it("leaves nothing behind", function()
      local function round()
        local q = ctx.Queue()
        local p = start(function(queue)
          for i = 1, 100 do queue:put{ i } end
        end, q)
        p:join(10)
        for _ = 1, 50 do q:get() end
        q:close()
      end
      round()
      helper.leaks_nothing(function() for _ = 1, 3 do round() end end)
    end)
  end)

  describe("JoinableQueue between processes", function()
    it("joins when the workers are done", function()
      local q = ctx.JoinableQueue()
      local p = start(function(queue)
        for _ in queue:iter() do queue:task_done() end
      end, q)
      for i = 1, 200 do q:put(i) end
      assert.is_true(q:join(10))
      q:shutdown()
      assert.is_true(p:join(10))
    end)

    it("tells of a worker that died before task_done", function()
      local q = ctx.JoinableQueue()
      q:put "work"
      local p = start(function(queue, getpid, kill)
        queue:get()
        kill(getpid(), 9)
      end, q, mp.getpid, mp.kill)
      p:join(10)
      raises("WorkerLostError", q.join, q, 10)
      q:task_done()
      assert.is_true(q:join(10))
    end)
  end)
end)

describe("An idle queue", function()
  it("uses no processor time", function()
    local q = mp.Queue()
    local p = mp.Process{ target = function() q:get() end }
    p:start()
    mp.sleep(0.1)
    local function ticks()
      local file <close> = assert(io.open("/proc/" .. p.pid .. "/stat"))
      local fields = {}
      for field in file:read("a"):match("%) (.*)"):gmatch("%S+") do fields[#fields + 1] = field end
      return fields[12] + fields[13]
    end
    local before = ticks()
    mp.sleep(1)
    assert.is_true(ticks() - before <= 1)
    q:put(1)
    assert.is_true(p:join(5))
  end)
end)
