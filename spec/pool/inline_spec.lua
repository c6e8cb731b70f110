--- Specs of a pool without processes, and of progress.

local helper = require "spec.helper"
local mp = require "multiprocessing"
local progress = require "multiprocessing.progress"

local function square(x) return x * x end

describe("Pool(0)", function()
  it("runs tasks in this process, with the same results", function()
    local pool <close> = mp.Pool(0)
    assert.equal(mp.getpid(), pool:apply(mp.getpid))
    assert.same({ n = 3, 1, 4, 9 }, pool:map(square, { 1, 2, 3 }))
    assert.same({ n = 2, 3, 7 },
      pool:starmap(function(a, b) return a + b end, { { 1, 2 }, { 3, 4 } }))
    assert.same({ 1, "x" }, { pool:apply_async(function() return 1, "x" end):get() })
    local got = {}
    for i, r in pool:imap(square, { 5, 6 }) do got[i] = r end
    for i, r in pool:imap_unordered(square, { 7 }) do got[#got + i] = r end
    assert.same({ 25, 36, 49 }, got)
    assert.same({ n = 0 }, pool:map(square, {}))
    assert.equal(10, pool:stats().done)
  end)

  it("has the same errors", function()
    local pool <close> = mp.Pool(0)
    local ok, e = pcall(pool.map, pool, function(x)
      if x > 1 then error { x } end
    end, { 1, 2, 3 })
    assert.is_false(ok)
    assert.is_true(mp.iserror(e, "RemoteError"))
    assert.same({ 2 }, e.value)
    assert.equal(mp.getpid(), e.pid)
    assert.matches("inline_spec.lua", e.traceback)
    ok, e = pcall(pool.apply, pool, os.exit, { 3 })
    assert.is_false(ok)
    assert.is_true(mp.iserror(e, "WorkerLostError"))
    assert.equal(3, e.exitcode)
    local r = pool:apply_async(function() while true do end end, {}, { timeout = 0.05 })
    assert.is_true(mp.iserror(select(2, pcall(r.get, r)), "TimeoutError"))
    local tries = 0
    r = pool:apply_async(function()
      tries = tries + 1
      if tries < 3 then os.exit(1) end
      return tries
    end, {}, { retries = 2 })
    assert.equal(3, r:get())
    assert.is_false(r:cancel())
    pool:close()
    assert.is_true(mp.iserror(select(2, pcall(pool.apply, pool, square, { 1 })), "ClosedError"))
  end)

  it("runs the initializer, which may break it", function()
    local value
    local pool <close> = mp.Pool { processes = 0, initializer = function(x) value = x end,
      initargs = { 7 } }
    assert.equal(7, pool:apply(function() return value end))
    local broken = mp.Pool { processes = 0, initializer = error, initargs = { "no", 0 } }
    local ok, e = pcall(broken.apply, broken, square, { 1 })
    assert.is_false(ok)
    assert.is_true(mp.iserror(e, "BrokenPoolError"))
  end)

  it("calls callbacks at the same moments", function()
    local pool <close> = mp.Pool(0)
    local got
    local r = pool:apply_async(square, { 3 }, { callback = function(x) got = x end })
    assert.is_nil(got)
    r:wait()
    assert.equal(9, got)
  end)
end)

describe("a callback that raises", function()
  it("is reported on stderr and stops nothing", function()
    local out, status = helper.run [[
      local mp = require "multiprocessing"
      local pool <close> = mp.Pool(2)
      local r = pool:apply_async(function() return 1 end, {}, { callback = error })
      print(r:get())
      r = pool:apply_async(error, { "x" }, { error_callback = function() error "oops" end })
      print(r:wait(), r:successful())
      print(#pool:map(function(x) return x end, { 1, 2 }, { progress = function() error "hm" end }))
    ]]
    assert.equal(0, status)
    assert.matches("Error in the callback of a pool:\n1", out)
    assert.matches("Error in the error_callback of a pool:\n[^\n]*oops", out)
    assert.matches("Error in the progress function of a pool:\n[^\n]*hm", out)
    for _, line in ipairs { "1", "true\tfalse", "2" } do
      assert.is_truthy(("\n" .. out):find("\n" .. line .. "\n", 1, true))
    end
  end)
end)

describe("progress", function()
  it("calls a function with done, total and seconds left", function()
    local pool <close> = mp.Pool(2)
    local calls = {}
    pool:map(square, { 1, 2, 3, 4 }, { chunksize = 1,
      progress = function(...) calls[#calls + 1] = table.pack(...) end })
    assert.is_true(#calls >= 1)
    local last = calls[#calls]
    assert.equal(4, last[1])
    assert.equal(4, last[2])
    assert.equal(0, last[3])
  end)

  it("draws nothing where stderr is no terminal", function()
    local out = helper.run [[
      local pool <close> = require("multiprocessing").Pool(2)
      pool:map(function(x) return x end, {1, 2, 3}, {progress = true})
      print "ok"
    ]]
    assert.equal("ok\n", out)
  end)

  it("draws a bar on a terminal, and wipes it", function()
    if not os.execute "script --version >/dev/null 2>&1" then return pending "no script(1)" end
    local out = helper.run([[
      local mp = require "multiprocessing"
      local pool <close> = mp.Pool(2)
      pool:map(function() require("multiprocessing").sleep(0.03) end, {1, 2, 3, 4, 5, 6, 7, 8},
        {progress = true, chunksize = 1})
    ]], { command = [[sh -c 'script -qec "./mplua $0" /dev/null']], redirect = "2>&1 </dev/null" })
    assert.matches("%] %d/8", out)
    assert.matches("\r\27%[K$", out)
  end)

  it("says what there is to say in a line", function()
    assert.equal("[############            ] 50/100  12.5/s  0:04 left  2/2 busy",
      progress.line(50, 100, 12.5, 4, 2, 2))
    assert.equal("7  3.0/s  1/2 busy", progress.line(7, nil, 3, nil, 1, 2))
    assert.matches("1:01:05 left", progress.line(1, 2, 1, 3665, 1, 1))
  end)
end)
