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
    assert.matches("^RemoteError: %(error object is a table value%)\nstack traceback: "
      .. "%(in process %d+%)",
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

describe("a report on stderr", function()
  local run = require("spec.helper").run

  local function has_no_frames_of_ours(output)
    assert.is_nil(output:find("lua/multiprocessing/", 1, true), output)
    assert.is_nil(output:find("xpcall", 1, true), output)
  end

  it("of a process ends where this library's frames begin", function()
    local output = run [[
      local mp = require "multiprocessing"
      local function fail() error "oh" end
      local p = mp.Process{ target = function() fail() end }
      p:start()
      p:join()
    ]]
    assert.matches("^Process Process%-1:\nSCRIPT:2: oh\nstack traceback:\n", output)
    assert.matches("SCRIPT:2: in .-SCRIPT:3: in ", output)
    has_no_frames_of_ours(output)
  end)

  it("of a process shows who has called what is ours", function()
    local output = run [[
      local mp = require "multiprocessing"
      local function too_early() mp.Process{ target = print }:join() end
      local p = mp.Process{ target = function() too_early() end }
      p:start()
      p:join()
    ]]
    assert.matches("SCRIPT:2: cannot join Process%-1:1: it has not been started", output)
    assert.matches("SCRIPT:2: in .-SCRIPT:3: in [^\n]*\n$", output)
  end)

  it("of at_exit and of callbacks, too", function()
    local output = run [[
      local mp = require "multiprocessing"
      mp.at_exit(function() error "late" end)
      local pool <close> = mp.Pool(1)
      pool:apply_async(type, { 1 }, { callback = function() error "back" end }):wait()
    ]]
    assert.matches("Error in the callback of a pool:\nSCRIPT:4: back\n", output)
    assert.matches("Error in at_exit function:\nSCRIPT:2: late\n", output)
    has_no_frames_of_ours(output)
  end)

  it("of a message with lines of its own keeps them", function()
    local users_part = require("multiprocessing.traceback").users_part
    assert.equal("a\n\nb", users_part "a\n\nb")
    local text = "a\n\nb\nstack traceback:\n\tx.lua:1: in main chunk"
    assert.equal(text, users_part(text))
    assert.equal(text, users_part(text .. "\n\tlua/multiprocessing/process.lua:1: in method 'run'\n"
      .. "\t[C]: in function 'xpcall'\n\tlua/multiprocessing/ending.lua:1: in function 'try'"))
  end)
end)

describe("os.exit", function()
  it("refuses what is no number before anything has ended", function()
    local output, status = require("spec.helper").run [[
      local mp = require "multiprocessing"
      mp.at_exit(function() print "the end" end)
      print(pcall(function() os.exit("soon") end))
      print(pcall(function() os.exit(1.5) end))
      os.exit(3.0)
    ]]
    assert.equal([[
false	SCRIPT:3: bad argument #1 to 'exit' (number expected, got string)
false	SCRIPT:4: bad argument #1 to 'exit' (number has no integer representation)
the end
]], output)
    assert.equal(3, status)
  end)
end)
