--- Specs of a pool's calls, from the user's side; under every start method.

local helper = require "spec.helper"
local mp = require "multiprocessing"

local numbers <const> = helper.numbers

helper.each_method(function(ctx)
  local function square(x) return x * x end

  describe("Pool", function()
    local pool

    setup(function() pool = ctx.Pool(2) end)
    teardown(function()
      pool:close()
      assert.is_true(pool:join(20))
    end)

    describe(":apply()", function()
      it("returns all results", function()
        local r = table.pack(pool:apply(function(a, b) return a + b, nil, "x", nil end, { 3, 4 }))
        assert.same({ 7, nil, "x", nil, n = 4 }, r)
      end)

      it("honours args.n", function()
        assert.equal(3, pool:apply(function(...) return select("#", ...) end, { nil, 1, n = 3 }))
        assert.equal(0, pool:apply(function(...) return select("#", ...) end))
      end)

      it("takes and returns values of every kind", function()
        local t = { 1, 2.5, "three", { deep = { true } }, [10] = "ten" }
        t.self = t
        local r = pool:apply(function(v) return v end, { t })
        assert.equal("three", r[3])
        assert.equal(r, r.self)
        assert.is_true(r[4].deep[1])
        for _, v in ipairs { math.maxinteger, math.mininteger, 0.1, -0.0, math.huge, 127, -128,
          128, 32767, -32769, 2 ^ 31, "", ("x"):rep(255), ("x"):rep(256), ("x"):rep(300000),
          true, false } do
          local back = pool:apply(function(x) return x end, { v })
          assert.equal(v, back)
          assert.equal(math.type(v), math.type(back))
        end
      end)

      it("sends library functions by name", function()
        assert.equal(5, pool:apply(math.max, { 1, 5, 3 }))
        assert.equal("HI", pool:apply(string.upper, { "hi" }))
      end)

      it("sends upvalues and globals with the function, as they are at the call", function()
        local factor = 3
        _G.spec_offset = load "return 10" -- a function of the plain globals
        local offset = load "return spec_offset()"
        local function f(x) return x * factor + offset() end
        assert.equal(16, pool:apply(f, { 2 }))
        factor, _G.spec_offset = 4, load "return 100"
        assert.equal(108, pool:apply(f, { 2 }))
        _G.spec_offset = nil
      end)

      it("gives each function its own globals, whatever ran before", function()
        local f, g = load "return spec_k", load "return spec_k * 10"
        for _, k in ipairs { 1, 2, 1, 2 } do
          _G.spec_k = k
          assert.equal(k, pool:apply(f))
          _G.spec_k = k + 1
          assert.equal(10 * (k + 1), pool:apply(g))
        end
        _G.spec_k = nil
      end)

      it("raises what the task raised as a RemoteError", function()
        local ok, e = pcall(pool.apply, pool, function() error "oh no" end)
        assert.is_false(ok)
        assert.is_true(mp.iserror(e, "RemoteError"))
        assert.matches("oh no", e.message, 1, true)
        assert.matches("oh no", e.value, 1, true)
        assert.matches("map_spec.lua:%d+: in function", e.traceback)
        assert.is_nil(e.traceback:find("multiprocessing", 1, true))
        assert.equal("integer", math.type(e.pid))
        assert.not_equal(mp.getpid(), e.pid)
        assert.matches("^RemoteError: .*oh no\nstack traceback", tostring(e))
      end)

      it("carries any error value", function()
        local _, e = pcall(pool.apply, pool, function() error { code = 42 } end)
        assert.same({ code = 42 }, e.value)
        _, e = pcall(pool.apply, pool, function() error(nil) end)
        assert.is_true(mp.iserror(e, "RemoteError"))
        _, e = pcall(pool.apply, pool, function() error(coroutine.create(print)) end)
        assert.matches("^thread: ", e.value)
        _, e = pcall(pool.apply, pool, function()
          error(setmetatable({ coroutine.create(print) },
            { __tostring = function() return "hm" end }))
        end)
        assert.equal("hm", e.value)
        _, e = pcall(pool.apply, pool, function()
          error(setmetatable({ coroutine.create(print) }, { __tostring = error }))
        end)
        assert.matches("table", e.value)
      end)

      it("knows the name of an error that was raised in the worker", function()
        local _, e = pcall(pool.apply, pool, function()
          require("multiprocessing").Queue():get_nowait()
        end)
        assert.is_true(e:is "Empty")
        assert.is_true(e:is "RemoteError")
        assert.is_false(e:is "Full")
      end)

      it("fails a task whose result cannot be sent, and that alone", function()
        local _, e = pcall(pool.apply, pool, function() return { co = coroutine.create(print) } end)
        assert.is_true(e:is "SerializationError")
        assert.matches("thread", tostring(e))
        assert.equal(4, pool:apply(square, { 2 }))
      end)

      it("refuses at once what cannot be sent", function()
        local ok, e = pcall(pool.apply, pool, square, { coroutine.create(print) })
        assert.is_false(ok)
        assert.is_true(mp.iserror(e, "SerializationError"))
        assert.equal(4, pool:apply(square, { 2 }))
      end)

      it("survives a yield, a stack overflow and os.exit in a task", function()
        assert.is_false(pcall(pool.apply, pool, function() coroutine.yield() end))
        local _, e = pcall(pool.apply, pool, function()
          local function down() return 1 + down() end
          return down()
        end)
        assert.matches("stack overflow", e.message)
        _, e = pcall(pool.apply, pool, function() os.exit(7) end)
        assert.is_true(e:is "WorkerLostError")
        assert.equal(7, e.exitcode)
        assert.equal(4, pool:apply(square, { 2 }))
      end)
    end)

    describe(":map()", function()
      it("returns the first results in order, with n", function()
        assert.same({ 1, 4, 9, n = 3 }, pool:map(square, { 1, 2, 3 }))
        assert.same({ n = 0 }, pool:map(square, {}))
        local r = pool:map(function(x) if x % 2 == 0 then return x, "more" end end, { 1, 2, 3 })
        assert.same({ nil, 2, nil, n = 3 }, r)
      end)

      it("is right for many items, in chunks of any size", function()
        for _, n in ipairs { 1, 7, 1000, 50000 } do
          for _, chunk in ipairs { 0, 1, 7, 1000, 100000 } do
            if n // (chunk + 1) < 2000 then
              local size = chunk > 0 and chunk or nil
              local r = pool:map(function(x) return x * 2 end, numbers(n), size)
              assert.equal(n, r.n)
              for i = 1, n do if r[i] ~= 2 * i then error("item " .. i) end end
            end
          end
        end
      end)

      it("draws items from a function", function()
        local i = 0
        local r = pool:map(square, function()
          i = i + 1
          return i <= 10 and i or nil
        end)
        assert.equal(10, r.n)
        assert.equal(100, r[10])
      end)

      it("honours items.n and __index", function()
        local r = pool:map(function(x) return x == nil end, { nil, 1, nil, n = 3 })
        assert.same({ true, false, true, n = 3 }, r)
        local list = setmetatable({}, { __index = function(_, i) return i * 10 end,
          __len = function() return 3 end })
        assert.same({ 10, 20, 30, n = 3 }, pool:map(function(x) return x end, list))
      end)

      it("raises the first error in order, after all is done", function()
        local r = pool:map_async(function(x)
          if x == 3 or x == 7 then error("bad " .. x, 0) end
          return x
        end, numbers(10), 1)
        local ok, e = pcall(r.get, r)
        assert.is_false(ok)
        assert.equal("bad 3", e.value)
        local s = pool:stats()
        assert.is_true(s.failed >= 2)
      end)

      it("sends nothing when one item cannot be sent", function()
        local q = ctx.Queue()
        local items = numbers(2000)
        items[1500] = coroutine.create(print)
        local ok, e = pcall(pool.map, pool, function(x) q:put(x) end, items)
        assert.is_false(ok)
        assert.is_true(mp.iserror(e, "SerializationError"))
        pool:map(square, numbers(10))
        assert.equal(0, q:qsize())
        q:close()
      end)

      it("carries large items and results", function()
        local r = pool:map(function(s) return s .. s end,
          { ("a"):rep(500000), "b", ("c"):rep(70000) })
        assert.equal(1000000, #r[1])
        assert.equal("bb", r[2])
        assert.equal(140000, #r[3])
      end)

      it("shares queues in arguments, upvalues and results", function()
        local q = ctx.Queue()
        pool:map(function(x) q:put(x) end, numbers(20))
        local sum = 0
        for _ = 1, 20 do sum = sum + q:get(true, 5) end
        assert.equal(210, sum)
        pool:starmap(function(queue, x) queue:put(x) end, { { q, 1 }, { q, 2 } })
        assert.equal(2, q:qsize())
        local back = pool:apply(function(queue) queue:put "in" return queue end, { q })
        assert.equal(3, back:qsize())
        q:close()
        back:close()
      end)
    end)

    describe(":starmap()", function()
      it("spreads each item's arguments", function()
        local r = pool:starmap(function(a, b) return a - (b or 0) end,
          { { 5, 2 }, { 7, nil, n = 2 }, { 1, 1 } })
        assert.same({ 3, 7, 0, n = 3 }, r)
      end)

      it("says which item is no list", function()
        local ok, e = pcall(pool.starmap, pool, square, { { 1 }, 2 })
        assert.is_false(ok)
        assert.matches("item 2 is a number", e)
      end)
    end)

    describe("AsyncResult", function()
      it("is ready when the call has finished", function()
        local gate = ctx.Queue()
        local r = pool:apply_async(function() return gate:get() end)
        assert.is_false(r:ready())
        assert.is_false(r:wait(0.02))
        assert.matches("not ready", select(2, pcall(r.successful, r)))
        assert.is_true(mp.iserror(select(2, pcall(r.get, r, 0.02)), "TimeoutError"))
        gate:put "go"
        assert.equal("go", r:get(10))
        assert.is_true(r:ready())
        assert.is_true(r:successful())
        assert.is_true(r:wait(0))
        assert.equal("go", r:get(0))
        gate:close()
      end)

      it("is not successful after an error", function()
        local r = pool:apply_async(error, { "x" })
        assert.is_true(r:wait(10))
        assert.is_false(r:successful())
      end)

      it("goes on without any call of the pool", function()
        local q = ctx.Queue()
        pool:map_async(function(x) q:put(x) end, numbers(1000))
        local n = 0
        for _ = 1, 1000 do n = n + q:get(true, 10) end
        assert.equal(500500, n)
        q:close()
      end)

      it("stands in mp.wait", function()
        local gate = ctx.Queue()
        local slow = pool:apply_async(function() return gate:get() end)
        assert.same({}, mp.wait({ slow }, 0.02))
        local fast = pool:apply_async(square, { 3 })
        assert.equal(fast, mp.wait({ slow, fast }, 10)[1])
        gate:put(1)
        assert.equal(slow, mp.wait({ slow }, 10)[1])
        gate:close()
      end)
    end)

    describe("callbacks", function()
      it("run in this process while it waits", function()
        local got = {}
        local r = pool:apply_async(function(x) return x, "y" end, { 1 },
          { callback = function(...) got = { mp.getpid(), ... } end })
        r:get()
        assert.same({ mp.getpid(), 1, "y" }, got)
        r = pool:map_async(square, { 1, 2 }, nil, { callback = function(list) got = list end })
        r:wait()
        assert.same({ 1, 4, n = 2 }, got)
      end)

      it("get the error", function()
        local got
        local r = pool:apply_async(error, { "x" }, { callback = function() got = "no" end,
          error_callback = function(e) got = e end })
        r:wait()
        assert.is_true(mp.iserror(got, "RemoteError"))
      end)

      it("run in poll, which counts what it delivered", function()
        local n = 0
        for i = 1, 10 do
          pool:apply_async(square, { i }, { callback = function() n = n + 1 end })
        end
        local delivered = 0
        while delivered < 10 do delivered = delivered + pool:poll(5) end
        assert.equal(10, delivered)
        assert.equal(10, n)
        assert.equal(0, pool:poll())
      end)

      it("may call the pool", function()
        local inner
        local r = pool:apply_async(square, { 2 },
          { callback = function(x) inner = pool:apply(square, { x }) end })
        r:get()
        assert.equal(16, inner)
      end)
    end)

    it("makes a descriptor readable when there is something to do", function()
      local fd = pool:fileno()
      while pool:poll(0) > 0 do end -- luacheck: ignore
      assert.same({}, mp.wait({ fd }, 0))
      local got
      pool:apply_async(square, { 5 }, { callback = function(x) got = x end })
      assert.same({ fd }, mp.wait({ fd }, 10))
      helper.eventually(function() return pool:poll() == 1 end)
      assert.equal(25, got)
      assert.same({}, mp.wait({ fd }, 0))
    end)

    it("says at the caller's line what is wrong", function()
      local function message(...) return select(2, pcall(...)) end
      assert.matches("map_spec.lua:%d+: bad argument #1 to 'map' %(function expected, got number%)",
        message(function() pool:map(1, {}) end))
      assert.matches("map_spec.lua:%d+: bad argument #2 to 'map'",
        message(function() pool:map(square, 5) end))
      assert.matches("map_spec.lua:%d+: unknown option 'chunk' to 'map'",
        message(function() pool:map(square, {}, { chunk = 1 }) end))
      assert.matches("map_spec.lua:%d+: bad option 'retries' to 'apply_async'",
        message(function() pool:apply_async(square, {}, { retries = -1 }) end))
      assert.matches("map_spec.lua:%d+: unknown option 'procs' to 'Pool'",
        message(function() ctx.Pool { procs = 1 } end))
      assert.matches("map_spec.lua:%d+: bad option 'processes' to 'Pool'",
        message(function() ctx.Pool(-1) end))
      assert.matches("map_spec.lua:%d+: cannot join a pool that is open",
        message(function() pool:join() end))
      assert.matches("map_spec.lua:%d+: .*NaN",
        message(function() pool:poll(0 / 0) end))
    end)
  end)
end)
