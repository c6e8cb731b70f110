--- Specs of ProcessPoolExecutor, futures and parallel; under every start method.

local helper = require "spec.helper"
local mp = require "multiprocessing"

helper.each_method(function(ctx)
  local function square(x) return x * x end

  describe("ProcessPoolExecutor", function()
    it("runs what is submitted", function()
      local executor <close> = ctx.ProcessPoolExecutor { max_workers = 2 }
      local future = executor:submit(function(...) return select("#", ...), ... end, 1, nil)
      assert.same({ 2, 1 }, { future:result(10) })
      assert.is_true(future:done())
      assert.is_false(future:running())
      assert.is_false(future:cancelled())
      assert.is_false(future:cancel())
      assert.is_nil(future:exception())
    end)

    it("maps over several lists, as far as the shortest", function()
      local executor <close> = ctx.ProcessPoolExecutor { max_workers = 2 }
      local got = {}
      for i, r in executor:map(math.max, { 1, 5, 3 }, { 4, 2 }) do got[i] = r end
      assert.same({ 4, 5 }, got)
    end)

    it("keeps errors for result and exception", function()
      local executor <close> = ctx.ProcessPoolExecutor { max_workers = 1 }
      local future = executor:submit(error, { code = 1 })
      assert.is_true(mp.iserror(future:exception(10), "RemoteError"))
      assert.same({ code = 1 }, future:exception().value)
      assert.is_false(pcall(future.result, future))
      future = executor:submit(os.exit, 3)
      assert.is_true(mp.iserror(future:exception(10), "WorkerLostError"))
      assert.equal(4, executor:submit(square, 2):result())
    end)

    it("takes back what no worker has begun", function()
      local executor <close> = ctx.ProcessPoolExecutor { max_workers = 1 }
      local gate = ctx.Queue()
      local first = executor:submit(function() return gate:get() end)
      local second = executor:submit(square, 2)
      helper.eventually(function() return first:running() end)
      assert.is_false(second:running())
      assert.is_true(second:cancel())
      assert.is_true(second:cancel())
      assert.is_true(second:cancelled())
      assert.is_true(second:done())
      assert.is_true(mp.iserror(select(2, pcall(second.result, second)), "CancelledError"))
      assert.is_true(mp.iserror(select(2, pcall(second.exception, second)), "CancelledError"))
      assert.is_false(first:cancel()) -- it runs
      gate:put "x"
      assert.equal("x", first:result(10))
      gate:close()
    end)

    it("calls back when a future is done, or at once", function()
      local executor <close> = ctx.ProcessPoolExecutor { max_workers = 1 }
      local got = {}
      local future = executor:submit(square, 3)
      future:add_done_callback(function(f) got[#got + 1] = f:result() end)
      future:add_done_callback(function(f) got[#got + 1] = f end)
      future:result()
      future:add_done_callback(function(f) got[#got + 1] = f:done() end)
      assert.same({ 9, future, true }, got)
    end)

    it("shuts down", function()
      local executor = ctx.ProcessPoolExecutor { max_workers = 1 }
      local gate = ctx.Queue()
      local first = executor:submit(function() return gate:get() end)
      helper.eventually(function() return first:running() end)
      local second = executor:submit(square, 2)
      executor:shutdown(false, true)
      assert.is_true(second:done())
      assert.is_true(mp.iserror(select(2, pcall(executor.submit, executor, square, 1)),
        "ClosedError"))
      gate:put(7)
      executor:shutdown()
      assert.equal(7, first:result(0))
      executor:shutdown()
      gate:close()
    end)
  end)

  describe("futures", function()
    it("are waited for", function()
      local executor <close> = ctx.ProcessPoolExecutor { max_workers = 2 }
      local gate = ctx.Queue()
      local slow = executor:submit(function() return gate:get() end)
      local fast = executor:submit(square, 2)
      local done, not_done = mp.futures.wait({ slow, fast }, 10, "FIRST_COMPLETED")
      assert.same({ fast }, done)
      assert.same({ slow }, not_done)
      local bad = executor:submit(error, "x")
      done = mp.futures.wait({ slow, bad }, 10, "FIRST_EXCEPTION")
      assert.same({ bad }, done)
      done, not_done = mp.futures.wait({ slow, fast }, 0.02)
      assert.equal(1, #done)
      assert.equal(1, #not_done)
      gate:put(1)
      assert.equal(2, #mp.futures.wait({ slow, fast }, 10))
      gate:close()
    end)

    it("come as they are completed, from several executors", function()
      local a <close> = ctx.ProcessPoolExecutor { max_workers = 1 }
      local b <close> = ctx.ProcessPoolExecutor { max_workers = 1 }
      local gate = ctx.Queue()
      local list = { a:submit(function() return gate:get() end), b:submit(square, 2),
        b:submit(square, 3) }
      local got = {}
      for future in mp.futures.as_completed(list, 10) do
        got[#got + 1] = future:result()
        if #got == 2 then gate:put "last" end
      end
      assert.same({ 4, 9, "last" }, got)
      local never = a:submit(function() return gate:get() end)
      local ok, e = pcall(mp.futures.as_completed({ never }, 0.02))
      assert.is_false(ok)
      assert.is_true(mp.iserror(e, "TimeoutError"))
      gate:put(1)
      never:result(10)
      gate:close()
    end)
  end)

  it("parallel is a loop in one call", function()
    for _, n in ipairs { 1, 2, -1, -2 } do
      assert.same({ n = 4, 1, 4, 9, 16 }, ctx.parallel(n, square, { 1, 2, 3, 4 }))
    end
    local ok, e = pcall(ctx.parallel, 2, function(x) if x == 2 then error "no" end end, { 1, 2 })
    assert.is_false(ok)
    assert.is_true(mp.iserror(e, "RemoteError"))
    ok, e = pcall(function() ctx.parallel(0, square, {}) end)
    assert.is_false(ok)
    assert.matches("futures_spec.lua:%d+: bad argument #1 to 'parallel'", e)
  end)
end)
