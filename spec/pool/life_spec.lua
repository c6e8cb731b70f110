--- Specs of a pool's life: close, terminate, join, being dropped, Ctrl-C, other processes.

local helper = require "spec.helper"
local mp = require "multiprocessing"

local numbers <const> = helper.numbers

helper.each_method(function(ctx, method)
  local function square(x) return x * x end

  describe("Pool", function()
    it("leaves nothing behind", function()
      do local warm <close> = ctx.Pool(1) end -- luacheck: ignore
      helper.leaks_nothing(function()
        local pool <close> = ctx.Pool(2)
        pool:map(square, numbers(1000))
        pool:apply_async(square, { 2 }):get()
        for _ in pool:imap(square, numbers(10)) do end -- luacheck: ignore
        for _ in pool:imap(square, numbers(100)) do break end -- luacheck: ignore
        pcall(pool.apply, pool, os.exit, { 1 })
        pcall(pool.apply, pool, error, { "x" })
      end)
      helper.leaks_nothing(function()
        local pool = ctx.Pool(2)
        pool:map_async(function() require("multiprocessing").sleep(10) end, numbers(100))
        pool:terminate()
        assert.is_true(pool:join(10))
      end)
      helper.leaks_nothing(function()
        pcall(function()
          local pool <close> = ctx.Pool(2)
          pool:map_async(function() require("multiprocessing").sleep(10) end, numbers(100))
          error "out"
        end)
      end)
    end)

    it("that is dropped ends its workers and frees its memory", function()
      helper.leaks_nothing(function()
        local pool = ctx.Pool(2)
        pool:map_async(function() require("multiprocessing").sleep(10) end, numbers(100))
        pool = nil -- luacheck: ignore
        collectgarbage()
        collectgarbage()
      end)
    end)

    it("takes no work after close, and finishes what it has", function()
      local pool = ctx.Pool(2)
      local r = pool:map_async(square, numbers(100))
      pool:close()
      local ok, e = pcall(pool.apply, pool, square, { 1 })
      assert.is_false(ok)
      assert.is_true(mp.iserror(e, "ClosedError"))
      assert.is_true(pool:join(20))
      assert.equal(10000, r:get(0)[100])
      assert.is_true(pool:join())
      pool:close()
      pool:terminate()
    end)

    it("lets its workers go after close, though nobody joins", function()
      local pool = ctx.Pool(2)
      pool:apply_async(square, { 3 })
      pool:map_async(square, numbers(10))
      local pids = {}
      for i, w in ipairs(pool:stats().workers) do pids[i] = w.pid end
      pool:close()
      helper.eventually(function()
        for _, pid in ipairs(pids) do
          local file <close> = io.open("/proc/" .. pid .. "/stat")
          if file and not file:read("a"):find(") Z", 1, true) then return false end
        end
        return true
      end)
      assert.is_true(pool:join(10))
    end)

    it("replaces a worker that dies after close, while there is work", function()
      local pool = ctx.Pool(2)
      local r = pool:map_async(function(x) if x % 5 == 0 then os.exit(1) end return x end,
        numbers(20), { chunksize = 10, retries = 0 })
      pool:close()
      assert.is_true(pool:join(20))
      assert.is_false(r:successful())
      assert.equal(16, pool:stats().done)
    end)

    it("joins with a timeout", function()
      local pool = ctx.Pool(1)
      local gate = ctx.Queue()
      pool:apply_async(function() return gate:get() end)
      pool:close()
      assert.is_false(pool:join(0.05))
      gate:put(1)
      assert.is_true(pool:join(10))
      gate:close()
    end)

    it("raises CancelledError for what terminate has ended", function()
      local pool = ctx.Pool(1)
      local r = pool:apply_async(function() while true do end end)
      pool:terminate()
      pool:join()
      local ok, e = pcall(r.get, r, 5)
      assert.is_false(ok)
      assert.is_true(mp.iserror(e, "CancelledError"))
      assert.is_true(mp.iserror(select(2, pcall(pool.apply, pool, square, { 1 })), "ClosedError"))
    end)

    it("works in its workers (nested pools), which refuse the outer one", function()
      local outer <close> = ctx.Pool(2)
      local name = method
      local r = outer:map(function(x)
        local inner <close> = require("multiprocessing").get_context(name).Pool(2)
        local sum = 0
        local doubled = inner:map(function(y) return y * 2 end, { 1, 2, 3 })
        for _, v in ipairs(doubled) do sum = sum + v end
        return sum * x
      end, { 1, 2, 3 })
      assert.same({ n = 3, 12, 24, 36 }, r)
    end)

    it("works beside others", function()
      local a <close> = ctx.Pool(1)
      local b <close> = ctx.Pool(2)
      local ra, rb = a:map_async(square, numbers(100)), b:map_async(square, numbers(100))
      assert.equal(10000, ra:get(10)[100])
      assert.equal(10000, rb:get(10)[100])
    end)

    it("names its workers", function()
      local pool <close> = ctx.Pool { processes = 1, name = "Miner" }
      assert.equal("Miner-1", pool:apply(function()
        return require("multiprocessing").current_process().name
      end))
    end)

    it("has cpu_count workers by default", function()
      local pool <close> = ctx.Pool()
      assert.equal(mp.cpu_count(), #pool:stats().workers)
    end)

    it("tells what its workers did", function()
      local pool <close> = ctx.Pool(2)
      pool:map(function(x)
        local t = os.clock()
        while os.clock() - t < 0.01 do end -- luacheck: ignore
        return x
      end, numbers(10))
      local s = pool:stats()
      assert.equal(10, s.done)
      local tasks, busy = 0, 0
      for _, w in ipairs(s.workers) do
        tasks, busy = tasks + w.tasks, busy + w.busy
        assert.is_true(w.idle >= 0)
        assert.is_true(w.memory > 10000)
      end
      assert.equal(10, tasks)
      assert.is_true(busy >= 0.1)
    end)
  end)
end)

describe("Pool", function()
  it("uses no processor time while idle", function()
    local pool <close> = mp.Pool(2)
    pool:map(function(x) return x end, { 1, 2, 3 })
    mp.sleep(0.05)
    local function ticks()
      local sum = 0
      for _, w in ipairs(pool:stats().workers) do
        local file <close> = assert(io.open(("/proc/%d/schedstat"):format(w.pid)))
        sum = sum + file:read("n")
      end
      return sum
    end
    local before = ticks()
    mp.sleep(0.3)
    assert.is_true(ticks() - before < 2e6) -- ns
  end)

  it("is refused by a forked child that inherits it", function()
    local pool <close> = mp.Pool(1)
    local said = mp.Queue()
    local p = mp.get_context("fork").Process { target = function()
      local ok, e = pcall(pool.apply, pool, print)
      said:put(tostring(ok) .. " " .. tostring(e))
      pcall(pool.close, pool)
      pcall(pool.terminate, pool)
      getmetatable(pool).__gc(pool)
    end }
    p:start()
    p:join()
    assert.matches("^false .*belongs to another process", said:get(true, 5))
    assert.equal(4, pool:apply(function(x) return x * x end, { 2 }))
    said:close()
  end)

  it("ends with its script, whatever that forgot", function()
    local out, status, seconds = helper.run [[
      local mp = require "multiprocessing"
      pool = mp.Pool(2)
      pool:map_async(function() while true do end end, {1, 2, 3})
      print "end"
    ]]
    assert.equal("end\n", out)
    assert.equal(0, status)
    assert.is_true(seconds < 3)
  end)

  it("ends with its owner that is killed", function()
    local out = helper.run [[
      local mp = require "multiprocessing"
      local p = mp.Process { target = function(q)
        local pool = mp.Pool(2)
        for _, w in ipairs(pool:stats().workers) do q:put(w.pid) end
        pool:map(function() while true do end end, {1, 2})
      end, args = { mp.Queue() } }
      local q = p._args[1]
      p:start()
      local pids = { q:get(true, 5), q:get(true, 5) }
      mp.kill(p.pid, 9)
      p:join()
      local deadline = mp.now() + 2
      local function lives(pid)
        local f <close> = io.open("/proc/" .. pid .. "/stat")
        return f ~= nil and not f:read("a"):find(") Z", 1, true)
      end
      while (lives(pids[1]) or lives(pids[2])) and mp.now() < deadline do mp.sleep(0.01) end
      print(lives(pids[1]), lives(pids[2]))
    ]]
    assert.equal("false\tfalse\n", out)
  end)

  it("says interrupted! after Ctrl-C, and its workers end in silence", function()
    for _, call in ipairs {
      "pool:map(f, {1, 2, 3, 4})", "pool:apply(f, {1})", "pool:apply_async(f, {1}):get()",
      "pool:apply_async(f, {1}):wait()", "for _ in pool:imap(f, {1, 2}) do end",
      "pool:apply_async(f, {1}) pool:close() pool:join()", "pool:apply_async(f, {1}) pool:poll(10)",
    } do
      local script = ([[
        local mp = require "multiprocessing"
        local function f() while true do end end
        local pool = mp.Pool(2)
        local pids = { mp.getpid() }
        for _, w in ipairs(pool:stats().workers) do pids[#pids + 1] = w.pid end
        local p = mp.Process { target = function() -- as a terminal does
          mp.sleep(0.15)
          os.execute("kill -INT " .. table.concat(pids, " ") .. " 2>/dev/null")
        end }
        p:start()
        local ok, e = pcall(function() CALL end)
        print(ok, e)
        local function lives(pid)
          local file <close> = io.open("/proc/" .. pid .. "/stat")
          return file ~= nil and not file:read("a"):find(") Z", 1, true)
        end
        local deadline = mp.now() + 2
        while (lives(pids[2]) or lives(pids[3])) and mp.now() < deadline do mp.sleep(0.01) end
        if lives(pids[2]) or lives(pids[3]) then print "alive" end
      ]]):gsub("CALL", call)
      local out, status = helper.run(script)
      assert.matches("^false\t.*interrupted!\n$", out)
      assert.equal(0, status)
    end
  end)

  it("works under a stock lua5.4", function()
    local out = helper.run([[
      package.cpath = "./?.so;" .. package.cpath
      local mp = require "multiprocessing"
      local pool <close> = mp.Pool(2)
      print(table.concat(pool:map(function(x) return x * x end, {1, 2, 3}), " "))
    ]], { command = "lua5.4" })
    assert.equal("1 4 9\n", out)
  end)

  it("is started whole or not at all", function()
    local out = helper.run([[
      local mp = require "multiprocessing"
      local ok, e = pcall(mp.Pool, 400)
      print(ok, mp.iserror(e, "ProcessError"), #mp.active_children())
    ]], { command = [[sh -c 'ulimit -n 128 && exec ./mplua "$0"']] })
    assert.equal("false\ttrue\t0\n", out)
  end)
end)
