--- Specs of what happens when workers die, are killed, run too long or are given up; under every
-- start method.

local helper = require "spec.helper"
local mp = require "multiprocessing"

local numbers <const> = helper.numbers

helper.each_method(function(ctx)
  local function square(x) return x * x end
  local function die() require("multiprocessing").kill(require("multiprocessing").getpid(), 9) end

  describe("a worker's death", function()
    it("fails the item that it ran, and that alone", function()
      local pool <close> = ctx.Pool(2)
      local seen = ctx.Queue()
      local r = pool:map_async(function(x)
        seen:put(x)
        if x == 57 then die() end
        return x
      end, numbers(100), 20)
      local ok, e = pcall(r.get, r, 20)
      assert.is_false(ok)
      assert.is_true(mp.iserror(e, "WorkerLostError"))
      assert.equal(57, e.item)
      assert.equal(1, e.attempt)
      assert.equal(9, e.signal)
      assert.equal("integer", math.type(e.pid))
      assert.matches("SIGKILL", e.message)
      assert.equal(100, seen:qsize()) -- each exactly once
      local stats = pool:stats()
      assert.equal(99, stats.done)
      assert.equal(1, stats.failed)
      assert.equal(1, stats.lost)
      assert.same({ n = 3, 1, 4, 9 }, pool:map(square, { 1, 2, 3 }))
      seen:close()
    end)

    it("is told with the exit code", function()
      local pool <close> = ctx.Pool(1)
      local _, e = pcall(pool.apply, pool, os.exit, { 3 })
      assert.equal(3, e.exitcode)
      assert.is_nil(e.signal)
      assert.matches("exit code 3", e.message)
    end)

    it("is seen within 50 ms by who waits", function()
      local pool <close> = ctx.Pool(1)
      pool:apply(square, { 1 })
      local began = ctx.Value("d", 0)
      local ok = pcall(pool.apply, pool, function()
        began.value = require("multiprocessing").now()
        die()
      end)
      assert.is_false(ok)
      assert.is_true(mp.now() - began.value < 0.05)
    end)

    it("is made up for by retries", function()
      local pool <close> = ctx.Pool(2)
      local tries = ctx.Value("i", 0)
      local r = pool:apply_async(function()
        if tries:add(1) < 3 then die() end
        return "survived"
      end, {}, { retries = 2 })
      assert.equal("survived", r:get(20))
      assert.equal(2, pool:stats().retried)
      tries.value = 0
      r = pool:apply_async(function() tries:add(1) die() end, {}, { retries = 1 })
      local _, e = pcall(r.get, r, 20)
      assert.equal(2, e.attempt)
      assert.equal(2, tries.value)
    end)

    it("in the middle of storms loses nothing when retries allow", function()
      local pool <close> = ctx.Pool(2)
      local count = ctx.Value("i", 0)
      local r = pool:map_async(function(x)
        local t = os.clock()
        while os.clock() - t < 0.002 do end -- luacheck: ignore
        count:add(1)
        return x * 2
      end, numbers(300), { retries = 1000 })
      local kills = 0
      while not r:wait(0.02) do
        local workers = pool:stats().workers
        if #workers > 0 and kills < 12 then
          pcall(mp.kill, workers[1 + kills % #workers].pid, 9)
          kills = kills + 1
        end
      end
      local list = r:get()
      for i = 1, 300 do assert.equal(2 * i, list[i]) end
      assert.is_true(count.value >= 300 and count.value <= 300 + kills)
      assert.is_true(kills > 3)
    end)

    it("while idle is made good", function()
      local pool <close> = ctx.Pool(2)
      pool:map(square, numbers(10))
      for _, w in ipairs(pool:stats().workers) do mp.kill(w.pid, 9) end
      assert.same({ n = 2, 1, 4 }, pool:map(square, { 1, 2 }))
      assert.equal(2, #pool:stats().workers)
    end)

    it("of 20 in a row without a finished task breaks the pool", function()
      local pool = ctx.Pool(2)
      local ok, e = pcall(pool.map, pool, os.exit, numbers(100))
      assert.is_false(ok)
      assert.is_true(mp.iserror(e, "BrokenPoolError"))
      assert.matches("20 workers died in a row", e.message)
      ok, e = pcall(pool.apply, pool, square, { 1 })
      assert.is_false(ok)
      assert.is_true(mp.iserror(e, "BrokenPoolError"))
      assert.is_true(pool:join(10))
    end)
  end)

  describe("an initializer", function()
    it("runs first in each worker", function()
      local pool <close> = ctx.Pool(2, function(x) _G.spec_initialized = x end, { 5 })
      local r = pool:map(function() return _G.spec_initialized end, numbers(10), 1)
      for i = 1, 10 do assert.equal(5, r[i]) end
    end)

    it("that fails breaks the pool at once", function()
      local forks = ctx.Value("i", 0)
      local pool = ctx.Pool { processes = 2, initializer = function()
        forks:add(1)
        error "no database"
      end }
      local ok, e = pcall(pool.map, pool, square, numbers(10))
      assert.is_false(ok)
      assert.is_true(mp.iserror(e, "BrokenPoolError"))
      assert.matches("no database", e.message)
      assert.is_true(forks.value <= 2)
      pool:join()
    end)
  end)

  it("an initializer that ends its worker breaks the pool at once", function()
    local starts = ctx.Value("i", 0)
    local pool = ctx.Pool { processes = 2, initializer = function()
      starts:add(1)
      os.exit(4)
    end }
    local ok, e = pcall(pool.apply, pool, square, { 1 })
    assert.is_false(ok)
    assert.is_true(mp.iserror(e, "BrokenPoolError"))
    assert.matches("exit code 4 before it was ready", e.message)
    assert.is_true(starts.value <= 3)
    pool:join()
  end)

  describe("a timeout", function()
    it("of many tasks costs little", function()
      local pool <close> = ctx.Pool(2)
      local results = {}
      for i = 1, 5000 do results[i] = pool:apply_async(square, { i }, { timeout = 30 }) end
      local began = mp.now()
      for i = 1, 5000 do assert.equal(i * i, results[i]:get(20)) end
      assert.is_true(mp.now() - began < 5)
    end)

    it("kills the task that overruns, and no other", function()
      local pool <close> = ctx.Pool(2)
      local began = mp.now()
      local quick = pool:map_async(function(x) return x end, numbers(50), 5)
      local slow = pool:apply_async(function() while true do end end, {}, { timeout = 0.2 })
      local ok, e = pcall(slow.get, slow, 10)
      assert.is_false(ok)
      assert.is_true(mp.iserror(e, "TimeoutError"))
      local took = mp.now() - began
      assert.is_true(took > 0.19 and took < 1.5)
      assert.equal(50, quick:get(10).n)
      assert.equal(0, pool:stats().lost)
    end)

    it("is per item, and counts running only", function()
      local pool <close> = ctx.Pool(1)
      local r = pool:map_async(function(x)
        if x == 3 then while true do end end
        require("multiprocessing").sleep(0.05)
        return x
      end, numbers(8), { timeout = 0.3, chunksize = 8 })
      local ok, e = pcall(r.get, r, 20)
      assert.is_false(ok)
      assert.is_true(mp.iserror(e, "TimeoutError"))
      assert.matches("item 3", e.message)
      local s = pool:stats()
      assert.equal(7, s.done)
      assert.equal(1, s.failed)
    end)

    it("is enforced through fileno and poll", function()
      local pool <close> = ctx.Pool(1)
      local fd = pool:fileno()
      local r = pool:apply_async(function() while true do end end, {}, { timeout = 0.1 })
      local deadline = mp.now() + 5
      while not r.finished and mp.now() < deadline do
        mp.wait({ fd }, 2)
        pool:poll()
      end
      assert.is_true(r.finished)
      assert.is_false(r:successful())
    end)
  end)

  describe(":cancel()", function()
    it("takes back what is pending", function()
      local pool <close> = ctx.Pool(1)
      local gate, ran = ctx.Queue(), ctx.Value("i", 0)
      local first = pool:apply_async(function() return gate:get() end)
      local second = pool:apply_async(function() ran:add(1) end)
      assert.is_true(second:cancel())
      local ok, e = pcall(second.get, second)
      assert.is_false(ok)
      assert.is_true(mp.iserror(e, "CancelledError"))
      gate:put "x"
      assert.equal("x", first:get(10))
      assert.is_false(first:cancel())
      assert.is_false(second:cancel())
      pool:apply(square, { 1 })
      assert.equal(0, ran.value)
      gate:close()
    end)

    it("kills what runs, with its worker", function()
      local pool <close> = ctx.Pool(2)
      local running = ctx.Event()
      local r = pool:apply_async(function() running:set() while true do end end)
      assert.is_true(running:wait(10))
      assert.is_true(r:cancel())
      assert.is_true(mp.iserror(select(2, pcall(r.get, r)), "CancelledError"))
      assert.same({ n = 3, 1, 4, 9 }, pool:map(square, { 1, 2, 3 }))
      assert.equal(0, pool:stats().lost)
    end)

    it("ends all that is left of a map", function()
      local pool <close> = ctx.Pool(2)
      local count = ctx.Value("i", 0)
      local r = pool:map_async(function()
        count:add(1)
        require("multiprocessing").sleep(0.01)
      end, numbers(10000))
      helper.eventually(function() return count.value > 5 end)
      assert.is_true(r:cancel())
      pool:apply(square, { 1 })
      local n = count.value
      mp.sleep(0.05)
      assert.equal(n, count.value)
      assert.is_true(n < 1000)
    end)
  end)

  it("maxtasksperchild replaces workers", function()
    local pool <close> = ctx.Pool { processes = 2, maxtasksperchild = 3 }
    local pids, counts = {}, {}
    local r = pool:map(function() return require("multiprocessing").getpid() end, numbers(30), 10)
    for i = 1, 30 do counts[r[i]] = (counts[r[i]] or 0) + 1 end
    for pid, n in pairs(counts) do
      pids[#pids + 1] = pid
      assert.is_true(n <= 3)
    end
    assert.is_true(#pids >= 10)
    assert.equal(0, pool:stats().lost)
  end)

  it("memory_limit gives the task an error, and the worker lives", function()
    local pool <close> = ctx.Pool { processes = 1, memory_limit = 8 * 1024 * 1024 }
    local pid = pool:apply(function() return require("multiprocessing").getpid() end)
    local ok, e = pcall(pool.apply, pool, function() return ("x"):rep(64 * 1024 * 1024) end)
    assert.is_false(ok)
    assert.matches("not enough memory", tostring(e.value))
    assert.equal(pid, pool:apply(function() return require("multiprocessing").getpid() end))
  end)

  it("a seed fixes each task's random numbers, whoever runs them", function()
    local function draw() return math.random(1 << 30) end
    local lists = {}
    for k, o in ipairs { { processes = 1, chunk = 1 }, { processes = 2, chunk = 7 },
      { processes = 0 } } do
      local pool <close> = ctx.Pool { processes = o.processes, seed = 42 }
      lists[k] = pool:map(draw, numbers(50), o.chunk)
      lists[k][51] = pool:apply(draw)
      lists[k].n = 51
    end
    assert.same(lists[1], lists[2])
    assert.same(lists[1], lists[3])
    assert.not_equal(lists[1][1], lists[1][2])
    local pool <close> = ctx.Pool { processes = 1, seed = 43 }
    assert.not_equal(lists[1][1], pool:apply(draw))
  end)
end)
