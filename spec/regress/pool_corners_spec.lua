--- pool_corners_spec.lua: pools where callbacks, sources and initializers go astray
-- MIT licence, see LICENSE

local helper = require "spec.helper"
local mp = require "multiprocessing"

local function square(x) return x * x end

-- what a wrong call says, without the place
local function message(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  return (tostring(e):gsub("^[^:]*:%d+: ", ""))
end

describe("a pool", function()
  it("loses no result when callbacks wait within callbacks until Lua's limit", function()
    local output, status = helper.run([[
      local mp = require "multiprocessing"
      local pool = mp.Pool(2)
      local deep = 0
      local function again()
        deep = deep + 1
        if deep < 250 then pool:apply_async(math.sqrt, { 4 }, { callback = again }):get() end
      end
      pool:apply_async(math.sqrt, { 4 }, { callback = again }):get()
      pool:close()
      print(pool:join(60), deep < 250)]])
    assert.equal("true\ttrue\n", output:match "[^\n]*\n$")
    assert.equal(0, status)
  end)

  it("ends an imap at once when Ctrl-C comes in its source", function()
    local output, status = helper.run([[
      local mp = require "multiprocessing"
      local pool = mp.Pool(2)
      local drawn = 0
      local function source()
        drawn = drawn + 1
        if drawn == 3 then
          mp.kill(mp.getpid(), "SIGINT")
          mp.sleep(60)
        end
        return drawn
      end
      local taken = 0
      local ok, e = pcall(function()
        for _ in pool:imap(math.sqrt, source) do taken = taken + 1 end
      end)
      print(ok, e:match "interrupted!", taken)
      print(select(2, pcall(pool.apply, pool, print)).name, pool:join(60))]])
    assert.equal("false\tinterrupted!\t0\nClosedError\ttrue\n", output)
    assert.equal(0, status)
  end)

  it("wipes the progress bar of a loop that is left", function()
    local path = os.tmpname()
    local file <close> = assert(io.open(path, "w"))
    file:write [[
      local mp = require "multiprocessing"
      local pool <close> = mp.Pool(1)
      for _ in pool:imap(math.sqrt, { 1, 2, 3 }, { progress = true }) do break end
      io.stderr:write("after\n")]]
    file:close()
    local terminal <close> = assert(io.popen(
      ("timeout 30 script -qec '%s %s' /dev/null </dev/null"):format(helper.interpreter, path)))
    local shown = terminal:read "a"
    os.remove(path)
    assert.truthy(shown:find("%] %d/3 .*\r\27%[Kafter"), shown)
  end)

  it("tells of an initializer's error value that cannot be shown", function()
    local hostile = setmetatable({}, { __tostring = function() error "no" end })
    local pool = mp.Pool { processes = 1, initializer = function() error(hostile) end }
    local ok, e = pcall(pool.apply, pool, square, { 1 })
    assert.is_false(ok)
    assert.equal("BrokenPoolError", e.name)
    assert.truthy(e.message:find("failed: (error object is a table value)", 1, true))
    pool:terminate()
    pool:join()
  end)

  it("refuses a list of less than no items", function()
    local pool <close> = mp.Pool(1)
    for _, call in ipairs { "map", "map_async", "starmap", "imap", "imap_unordered" } do
      assert.equal(("bad argument #2 to '%s' (its field 'n' is not a length)")
        :format(call), message(pool[call], pool, square, { 1, n = -1 }))
    end
  end)

  it("of parallel names parallel's arguments", function()
    assert.equal("bad argument #3 to 'parallel' (list or function expected, got number)",
      message(function() mp.parallel(2, square, 3) end))
    assert.equal("bad argument #3 to 'parallel' (its field 'n' is not a length)",
      message(function() mp.parallel(2, square, { n = -1 }) end))
  end)

  it("shows refused options as they are", function()
    assert.equal([[bad option 'processes' to 'Pool' (integer of at least 0 expected, got "2")]],
      message(mp.Pool, { processes = "2" }))
    local pool <close> = mp.Pool(0)
    assert.equal("bad option 'timeout' to 'map' (positive seconds expected, got NaN)",
      message(pool.map, pool, square, {}, { timeout = 0 / 0 }))
    assert.equal("bad option 'progress' to 'map' (boolean or function expected, got number)",
      message(pool.map, pool, square, {}, { progress = 3 }))
  end)
end)

describe("an executor", function()
  it("tells which futures its shutdown has cancelled", function()
    local executor = mp.ProcessPoolExecutor { max_workers = 1 }
    local go, begun = mp.Event(), mp.Event()
    local first = executor:submit(function() begun:set() return go:wait(60) end)
    local second = executor:submit(square, 2)
    assert.is_true(begun:wait(60))
    executor:shutdown(false, true)
    go:set()
    assert.is_true(first:result(60))
    assert.is_false(first:cancelled())
    assert.is_true(second:cancelled() and second:cancel())
    local ok, e = pcall(second.exception, second)
    assert.is_false(ok)
    assert.equal("CancelledError", e.name)
    executor:shutdown()
  end)

  it("names its own options and methods when they are misused", function()
    assert.equal("bad option 'max_tasks_per_child' to 'ProcessPoolExecutor' "
      .. "(integer of at least 1 expected, got 0)",
      message(mp.ProcessPoolExecutor, { max_tasks_per_child = 0 }))
    local executor <close> = mp.ProcessPoolExecutor { max_workers = 1 }
    local future = executor:submit(square, 2)
    assert.equal("bad argument #1 to 'result' (number of seconds expected, got NaN)",
      message(future.result, future, 0 / 0))
    assert.equal("bad argument #1 to 'done' (multiprocessing.Future expected; "
      .. "call it with a colon)", message(function() return (future.done()) end))
  end)
end)

describe("futures", function()
  it("are waited for until one of Python's constants, each once", function()
    local executor <close> = mp.ProcessPoolExecutor { max_workers = 2 }
    local go = mp.Event()
    local quick = executor:submit(square, 3)
    local slow = executor:submit(function() return go:wait(60) end)
    local done, not_done = mp.futures.wait({ quick, slow, quick, slow }, 60,
      mp.futures.FIRST_COMPLETED)
    go:set()
    assert.same({ 1, 1 }, { #done, #not_done })
    assert.equal(quick, done[1])
    local seen = 0
    for _ in mp.futures.as_completed { quick, quick, slow } do seen = seen + 1 end
    assert.equal(2, seen)
    assert.equal("ALL_COMPLETED FIRST_EXCEPTION",
      mp.futures.ALL_COMPLETED .. " " .. mp.futures.FIRST_EXCEPTION)
  end)
end)
