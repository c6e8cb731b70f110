--- Specs of faults around pools: hostile tasks, stopped workers, every order of endings.
-- MIT licence, see LICENSE

local helper = require "spec.helper"
local mp = require "multiprocessing"

local numbers = helper.numbers

local function permutations(list)
  if #list == 0 then return { {} } end
  local all = {}
  for i, first in ipairs(list) do
    local rest = { table.unpack(list) }
    table.remove(rest, i)
    for _, p in ipairs(permutations(rest)) do
      all[#all + 1] = { first, table.unpack(p) }
    end
  end
  return all
end

describe("A task", function()
  -- what a task does -> what its caller gets; `thread` cannot be sent
  for code, wanted in pairs {
    ["error(setmetatable({ thread }, { __tostring = error }))"] = "RemoteError",
    ["error(setmetatable({ thread }, { __tostring = function() os.exit(5) end }))"] =
      "WorkerLostError",
    ["local t t = setmetatable({ thread }, { __tostring = function() return tostring(t) end }) "
      .. "error(t)"] = "RemoteError",
    ["error(setmetatable({ thread }, { __tostring = function() return 5 end }))"] = "RemoteError",
    ["error(setmetatable({ thread }, { __name = 7, __tostring = false }))"] = "RemoteError",
    ["return setmetatable({}, { __reduce = function() os.exit(6) end })"] = "WorkerLostError",
    ["return setmetatable({}, { __reduce = function() mp.kill(mp.getpid(), 9) end })"] =
      "WorkerLostError",
    ["return setmetatable({}, { __reduce = error })"] = "RemoteError",
    ["local x <close> = setmetatable({}, { __close = function() os.exit(8) end }) error 'e'"] =
      "WorkerLostError",
    ["os.exit(true, true)"] = "WorkerLostError",
    ["pcall(function() coroutine.wrap(function() os.exit(9) end)() end)"] = "WorkerLostError",
    ["mp.kill(mp.getpid(), 'SIGABRT')"] = "WorkerLostError",
    ["mp.kill(mp.getpid(), 'SIGSEGV')"] = "WorkerLostError",
    ["mp.kill(mp.getpid(), 'SIGTERM') mp.sleep(10)"] = "WorkerLostError",
    ["local function f() return f() + 1 end f()"] = "RemoteError",
    ["local g = _G for k in pairs(g) do g[k] = nil end return 'goes on'"] = "goes on",
    ["for k in pairs(package.loaded) do package.loaded[k] = nil end return 'goes on'"] = "goes on",
    ["debug.setmetatable('', nil) return 'goes on'"] = "goes on",
    ["collectgarbage 'stop' return 'goes on'"] = "goes on",
    ["io.stdin:close() io.stdout:close() io.stderr:close() return 'goes on'"] = "goes on",
    ["local p = mp.Process{ target = os.exit, args = { 4 } } p:start() p:join() "
      .. "return p.exitcode == 4 and 'goes on'"] = "goes on",
  } do
    it("that does this harms no other: " .. code, function()
      local pool <close> = mp.Pool(2)
      local f = assert(load("local mp, thread = require 'multiprocessing', "
        .. "coroutine.create(print) " .. code))
      local r = pool:apply_async(f)
      local ok, e = pcall(r.get, r, 20)
      assert.equal(wanted, ok and e or e.name)
      for i = 1, 8 do assert.equal(i, pool:apply(math.abs, { -i })) end
    end)
  end

  it("that kills every worker that takes it fails alone, whatever it tries", function()
    local pool <close> = mp.Pool(2)
    local r = pool:map_async(function(x)
      if x == 42 then mp.kill(mp.getpid(), 9) end
      return x
    end, numbers(100), { retries = 3 })
    local ok, e = pcall(r.get, r, 30)
    assert.is_false(ok)
    assert.is_true(mp.iserror(e, "WorkerLostError"))
    assert.equal(4, e.attempt)
    local stats = pool:stats()
    assert.equal(99, stats.done)
    assert.equal(1, stats.failed)
    assert.equal(4, stats.lost)
  end)

  it("with a stopped worker is ended by its timeout", function()
    local pool <close> = mp.Pool(2)
    local pids = mp.Queue()
    local r = pool:apply_async(function()
      pids:put(mp.getpid())
      mp.sleep(1000)
    end, {}, { timeout = 1 })
    mp.kill(pids:get(true, 20), "SIGSTOP")
    local ok, e = pcall(r.get, r, 20)
    assert.is_false(ok)
    assert.is_true(mp.iserror(e, "TimeoutError"))
    assert.equal(3, pool:apply(math.abs, { -3 }))
  end)

  it("has its function sent once, however large that is", function()
    local big, peak = ("x"):rep(10 << 20), 0
    local pool <close> = mp.Pool(2)
    local before = helper.arena_bytes()
    local r = pool:map_async(function(x) return x + #big end, numbers(1000), 1)
    repeat
      local done = r:wait(0.005)
      peak = math.max(peak, helper.arena_bytes() - before)
    until done
    assert.equal(1000 + (10 << 20), r:get()[1000])
    assert.is_true(peak < 4 * (10 << 20), peak .. " bytes")
  end)
end)

describe("close, terminate and join", function()
  it("return in every order, whatever the pool is doing", function()
    local states = {
      fresh = function() end,
      idle = function(pool) pool:map(math.abs, { 1, 2 }) end,
      busy = function(pool) pool:apply_async(mp.sleep, { 0.01 }) end,
      pending = function(pool)
        for _ = 1, 10 do pool:apply_async(mp.sleep, { 0.001 }) end
      end,
      dead = function(pool)
        for _, w in ipairs(pool:stats().workers) do mp.kill(w.pid, 9) end
      end,
    }
    for name, prepare in pairs(states) do
      for _, order in ipairs(permutations { "close", "terminate", "join", "join" }) do
        local pool = mp.Pool(2)
        prepare(pool)
        local began = mp.now()
        for _, call in ipairs(order) do
          local ok, e = pcall(pool[call], pool)
          if not ok then assert.matches("join", tostring(e)) end -- before close: misuse
        end
        assert(mp.now() - began < 5, name .. ": " .. table.concat(order, " "))
        pool:terminate()
        assert.is_true(pool:join(20))
      end
    end
    assert.equal(0, #mp.active_children())
  end)
end)

describe("A callback", function()
  it("that raises, of either kind, stops nothing", function()
    local out, status = helper.run [[
      local mp = require "multiprocessing"
      local pool <close> = mp.Pool(2)
      local function bad() error(setmetatable({}, { __tostring = error })) end
      for i = 1, 5 do
        assert(pool:apply_async(math.abs, { -i }, { callback = bad }):get(20) == i)
        local r = pool:apply_async(error, { "x" }, { error_callback = bad })
        local ok, e = pcall(r.get, r, 20)
        assert(not ok and e.name == "RemoteError")
      end
      print "goes on"
    ]]
    assert.equal(0, status)
    assert.matches("\ngoes on\n$", out)
    assert.equal(5, select(2, out:gsub("Error in the callback of a pool", "")))
    assert.equal(5, select(2, out:gsub("Error in the error_callback of a pool", "")))
  end)
end)
