--- messages_spec.lua: what is said to somebody who sees it for the first time
-- MIT licence, see LICENSE
--
-- Each of these was an error from inside the library, one without a place, or one that did not say
-- what to do.

require "spec.helper"
local mp = require "multiprocessing"

local function message_of(f)
  local ok, e = pcall(f)
  assert.is_false(ok)
  return tostring(e)
end

-- The message is that of the user's line, and begins so behind it.
local function says(text, f)
  local message = message_of(f)
  assert.equal("messages_spec.lua:", message:match "([%w_]+%.lua:)%d+: ", message)
  local rest = message:match "%.lua:%d+: (.*)"
  assert.equal(text, rest:sub(1, #text))
end

describe("messages", function()
  it("name the method when a dot stands for a colon", function()
    says("bad argument #1 to 'put' (multiprocessing.Queue expected, got number; call it with a "
      .. "colon)", function() mp.Queue().put(1) end)
    says("bad argument #1 to 'info' (multiprocessing.Logger expected; call it with a colon)",
      function() mp.get_logger().info("x") end)
    local executor <close> = mp.ProcessPoolExecutor(1)
    says("bad argument #1 to 'submit' (multiprocessing.ProcessPoolExecutor expected; call it with "
      .. "a colon)", function() executor.submit(print) end)
    local pool <close> = mp.Pool(0)
    local result = pool:apply_async(mp.getpid)
    says("bad argument #1 to 'get' (asynchronous result expected; call it with a colon)",
      function() result.get() end)
    says("bad argument #1 to 'close' (pool expected; call it with a colon)",
      function() pool.close() end)
  end)

  it("tell where the timeout stands", function()
    local advice = "boolean expected, got number; the timeout is the next argument)"
    says("bad argument #1 to 'get' (" .. advice, function() mp.Queue():get(5) end)
    says("bad argument #2 to 'put' (" .. advice, function() mp.Queue():put(1, 5) end)
    says("bad argument #1 to 'acquire' (" .. advice, function() mp.Lock():acquire(5) end)
  end)

  it("list the options that there are", function()
    says("unknown option 'size' to 'Queue' (there are: maxsize)",
      function() mp.Queue{ size = 1 } end)
    says("unknown option 'x' to 'Lock' (there are none)", function() mp.Lock{ x = 1 } end)
    says("unknown option 'adress' to 'Listener' (there are: address, authkey, ",
      function() mp.Listener{ adress = "x" } end)
    says("bad argument #1 to 'ProcessPoolExecutor' (table of options expected, got string)",
      function() mp.ProcessPoolExecutor("four") end)
  end)

  it("know this process itself", function()
    says("cannot start MainProcess: it is this process itself",
      function() mp.current_process():start() end)
    says("cannot join MainProcess: it is this process itself",
      function() mp.current_process():join() end)
  end)

  it("say which handle was closed, and in which call", function()
    local q = mp.Queue()
    q:close()
    assert.equal("ClosedError: Queue:put: it was closed in this process",
      message_of(function() q:put(1) end))
    assert.equal("ClosedError: Queue: it was closed in this process", message_of(function()
      pcall(q.put, q, 1)
      error(select(2, pcall(q.put, q, 1)), 0)
    end))
    local a, b = mp.Pipe()
    b:close()
    assert.equal("ClosedError: Connection:recv: it was closed in this process",
      message_of(function() b:recv() end))
    a:close()
    local executor = mp.ProcessPoolExecutor(1)
    executor:shutdown()
    assert.equal("ClosedError: cannot submit: this executor was shut down",
      message_of(function() executor:submit(print) end))
  end)

  it("refuse a process that was not started in wait by its name", function()
    local p = mp.Process{ target = print, name = "early" }
    says("bad argument #1 to 'wait' (cannot wait for item 1, a process: early has not been started",
      function() mp.wait{ p } end)
    says("bad argument #1 to 'wait' (cannot wait for item 2, a function; there are connections, ",
      function() mp.wait{ mp.Queue(), print } end)
  end)
end)

describe("what cannot be sent", function()
  local thread = coroutine.create(print)

  it("is named with its place in a list", function()
    assert.equal("SerializationError: cannot serialize a thread at [2]",
      message_of(function() mp.Queue():put_many{ 1, thread } end))
    local pool <close> = mp.Pool(1)
    assert.equal("SerializationError: cannot serialize a thread at items[3].x",
      message_of(function() pool:map(type, { 1, 2, { x = thread } }) end))
    assert.equal("SerializationError: cannot serialize a thread at items[1][2]",
      message_of(function() pool:starmap(type, { { 1, thread } }) end))
    assert.equal("SerializationError: cannot serialize a thread at args[2]",
      message_of(function() pool:apply(type, { 1, thread }) end))
    says("item 2 is a number, not a list of arguments",
      function() pool:starmap(type, { { 1 }, 2 }) end)
  end)

  it("is named as a task's result", function()
    local pool <close> = mp.Pool(1)
    assert.matches("^RemoteError: SerializationError: cannot serialize a thread at result.x\n",
      message_of(function()
        pool:apply(function() return { x = coroutine.create(print) } end)
      end))
    assert.matches("^RemoteError: %(error object is a table value%)\n",
      message_of(function() pool:apply(error, { { code = 1 } }) end))
  end)
end)

describe("a pool", function()
  it("of another process says so at the user's line", function()
    local pool <close> = mp.Pool(1)
    local said = mp.Queue()
    local p = mp.Process{ target = function()
      said:put(message_of(function() pool:map(type, {}) end))
    end }
    p:start()
    p:join()
    assert.matches("messages_spec.lua:%d+: cannot map: this pool belongs to another process "
      .. "%(pid %d+%); make one here", said:get_nowait())
  end)

  it("refuses more workers than a family can have", function()
    says("bad option 'processes' to 'Pool' (at most 10000, got 1000000)",
      function() mp.Pool(1000000) end)
  end)
end)

describe("the traceback of a process", function()
  it("ends where this library's frames begin", function()
    local output = require("spec.helper").run [[
      local mp = require "multiprocessing"
      local function fail() error "oh" end
      local p = mp.Process{ target = function() fail() end }
      p:start()
      p:join()
    ]]
    assert.matches("Process Process%-1:\nSCRIPT:2: oh\nstack traceback:\n", output)
    assert.is_nil(output:find("multiprocessing/", 1, true))
  end)
end)
