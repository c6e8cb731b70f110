--- Specs of managers whose clients come by a socket.

-- luacheck: ignore 212/self

local helper = require "spec.helper"
local mp = require "multiprocessing"
local socket = require "multiprocessing.core.listener"

local KEY <const> = "abracadabra"

local Account = {}
Account.__index = Account
function Account.new(name) return setmetatable({ name = name, sum = 0, list = {} }, Account) end

function Account:pay(n)
  self.sum = self.sum + n
  return self.sum
end

function Account:get(...) return ... end
function Account:total() return self.sum end
function Account:code() return function() end end
function Account:sleep(s) mp.sleep(s) end
function Account:big(n) return ("x"):rep(n) end
function Account:fail(e) error(e, 0) end
function Account:sub(name) return Account.new(name) end
function Account:same(other) return rawequal(self, other) end

local shared = Account.new "shared"

local Server = mp.BaseManager:extend "Server"
Server:register("Account", Account, { method_to_typeid = { sub = "Account" } })
Server:register("get_shared", function() return shared end)
Server:register("named", nil)

local Client = mp.BaseManager:extend "Client" -- knows names only
Client:register "Account"
Client:register "get_shared"
Client:register "named"
Client:register "unknown"

local function serve(options)
  return Server(options or { address = "127.0.0.1:0", authkey = KEY }):start()
end

local function client_of(m) return Client{ address = m.address, authkey = KEY }:connect() end

local function error_of(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  return e
end

local function raises(name, f, ...)
  local e = error_of(f, ...)
  assert(mp.iserror(e, name), ("%s expected, got %s"):format(name, tostring(e)))
  return e
end

-- A connection that does what it likes.
local function raw(address)
  local conn = socket.connect(address, { json = true, limit = 1 << 20 }, 5)
  conn:recv_bytes() -- the listener's greeting
  return conn
end

describe("a remote manager", function()
  for _, how in ipairs { "tcp", "path" } do
    it("serves clients that have address and key only (" .. how .. ")", function()
      helper.leaks_nothing(function()
        local m <close> = serve{ address = how == "tcp" and "127.0.0.1:0" or nil, authkey = KEY }
        local other <close> = client_of(m)
        local a, b = other:Account("a"), other:Account("b")
        assert.equal(5, a:pay(5))
        assert.equal(0, b:total())
        assert.same({ n = 4, nil, { 1, { 2.5 } }, "x", nil },
          table.pack(a:get(nil, { 1, { 2.5 } }, "x", nil)))
        local mine = m:get_shared()
        mine:pay(7)
        assert.equal(7, other:get_shared():total())
        assert.is_true(other:get_shared() == other:get_shared())
        assert.is_false(other:get_shared() == a)
        mine = nil -- luacheck: ignore
        local big = other:Account():big(3 << 20)
        assert.equal(3 << 20, #big)
        assert.equal(#big, #a:get(big))
        assert.equal(m.address, other.address)
      end)
    end)
  end

  it("has proxies as results, and proxies as arguments become the objects", function()
    local m <close> = serve()
    local other <close> = client_of(m)
    local a = other:Account("a")
    local sub = a:sub("b")
    assert.equal(3, sub:pay(3))
    assert.is_true(a:same(a))
    assert.is_false(a:same(sub))
  end)

  it("accepts data only, both ways", function()
    local m <close> = serve()
    local other <close> = client_of(m)
    local a = other:Account("a")
    local e = raises("SerializationError", a.get, a, 1, function() end)
    assert.matches("argument 2", e.message, 1, true)
    raises("SerializationError", a.get, a, { { print } })
    raises("SerializationError", a.get, a, mp.Queue())
    raises("SerializationError", other.Account, other, print)
    e = raises("SerializationError", a.get, a, { { a } })
    assert.matches("the proxy at argument 1[1][1]: a remote server takes", e.message, 1, true)
    e = raises("SerializationError", a.get, a, m:get_shared())
    assert.matches("the proxy at argument 1: a remote server takes", e.message, 1, true)
    e = raises("RemoteError", a.code, a)
    assert.is_true(e:is "SerializationError")
    e = raises("RemoteError", a.fail, a, "so")
    assert.equal("so", e.value)
    assert.equal("number", type(e.pid))
    assert.equal(1, a:pay(1))
  end)

  it("names what is not registered", function()
    local m <close> = serve()
    local other <close> = client_of(m)
    assert.matches("remote_spec.lua:%d+: no type 'unknown' is registered at the manager's server",
      error_of(function() other:unknown() end))
    assert.matches("type 'named' is registered without a callable",
      error_of(function() other:named() end), 1, true)
    local a = other:Account()
    assert.matches("remote_spec.lua:%d+: a Account has no method 'nope'",
      error_of(function() a:nope() end))
    assert.is_nil(other.nothing)
  end)

  it("refuses a wrong key, and lives on", function()
    local m <close> = serve()
    raises("AuthenticationError", function()
      Client{ address = m.address, authkey = "wrong" }:connect()
    end)
    raises("ManagerLostError", function()
      Client{ address = "127.0.0.1:1", authkey = KEY }:connect()
    end)
    local other <close> = client_of(m)
    assert.equal(1, other:Account():pay(1))
  end)

  it("checks how it is used", function()
    local c = Client{ authkey = KEY }
    assert.matches("it has no address", error_of(c.connect, c), 1, true)
    assert.matches("neither started nor connected", error_of(c.Account, c), 1, true)
    assert.matches("has not been started", error_of(c.shutdown, c), 1, true)
    assert.matches("unknown option 'adress' to", error_of(Client, { adress = "x" }), 1, true)
    assert.matches("bad option 'authkey' to 'Client' (string expected", error_of(Client,
      { authkey = 5 }), 1, true)
    local My = mp.BaseManager:extend "My"
    assert.matches("a manager's own name", error_of(My.register, My, "start", print), 1, true)
    assert.matches("unknown option 'x' to 'register'",
      error_of(My.register, My, "T", print, { x = 1 }), 1, true)
    assert.matches("class with 'new' expected", error_of(My.register, My, "T", {}), 1, true)
    assert.matches("name of a type expected", error_of(My.register, My), 1, true)
    My:register("T", Account, { method_to_typeid = { sub = "Nobody" } })
    assert.matches("type 'Nobody' (of results of method 'sub' of 'T') is not registered",
      error_of(function() My():start() end), 1, true)
    local m <close> = serve()
    assert.matches("has been started", error_of(m.connect, m), 1, true)
    local again = Server{ address = m.address, authkey = KEY }
    local e = raises("ProcessError", again.start, again)
    assert.matches("in use", e.message, 1, true)
  end)

  it("is not delayed by who is silent, talks rubbish or half a message", function()
    local m <close> = serve()
    local host, port = m.address:match "^(.*):(%d+)$"
    local script = ([[
      exec 3<>/dev/tcp/%s/%s; exec 4<>/dev/tcp/%s/%s; exec 5<>/dev/tcp/%s/%s
      head -c 3000 /dev/urandom >&3; printf "GET / HTTP/1.0\r\n\r\n" >&4; exec sleep 60
    ]]):format(host, port, host, port, host, port)
    local p = mp.Process{ target = function()
      os.execute("exec timeout 60 bash -c '" .. script .. "' 2>/dev/null")
    end, daemon = true }
    p:start()
    local other <close> = client_of(m)
    local a = other:Account()
    assert.equal(1, a:pay(1))

    -- one that knows the key, and then sends half a message, or nonsense, or takes no answer
    local half = socket.connect(m.address, { authkey = KEY, limit = 1 << 30 }, 5)
    half:send{ 0, 0, "hello", 1, 1 }
    half:recv()
    half:send_bytes("this is no message")
    assert.is_true(half:poll(5))
    raises("EOFError", half.recv, half)
    local greedy = socket.connect(m.address, { authkey = KEY, limit = 1 << 30 }, 5)
    greedy:send{ 0, 0, "hello", 1, 1 }
    greedy:recv()
    greedy:send{ 1, 0, "create", 1, "Account" }
    local id = greedy:recv().x[1]
    for i = 1, 40 do greedy:send{ i, id, "big", 1, 4 << 20 } end
    local strange = socket.connect(m.address, { authkey = KEY, limit = 1 << 30 }, 5)
    strange:send{ 0, 0, "hello", 1, 1 }
    strange:recv()
    for _, request in ipairs { {}, 5, { 1, 2, 3, 4 }, { 1, 1, "x", -1 }, { 1, 99, "pay", 0 } } do
      if not pcall(strange.send, strange, request) then break end
    end
    local silent = raw(m.address)
    assert.equal(2, a:pay(1))
    for i = 1, 40 do assert.equal(4 << 20, #assert(greedy:recv()[4]), i) end
    -- the silent one is gone after five seconds
    assert.is_true(silent:poll(15))
    raises("EOFError", silent.recv_bytes, silent)
    assert.equal(3, a:pay(1))
    p:kill()
    p:join()
  end)

  it("serves a hundred clients", function()
    local m <close> = serve()
    local function work(address)
      local c <close> = Client{ address = address, authkey = KEY }:connect()
      local s = c:get_shared()
      for _ = 1, 5 do s:pay(1) end
      return #c:Account():big(10)
    end
    local before = m:get_shared():total()
    local clients = {}
    for i = 1, 100 do clients[i] = client_of(m) end
    for _, c in ipairs(clients) do c:get_shared():pay(1) end
    assert.equal(before + 100, m:get_shared():total())
    local pool <close> = mp.Pool(4)
    local addresses = {}
    for i = 1, 20 do addresses[i] = m.address end
    pool:map(work, addresses)
    assert.equal(before + 200, m:get_shared():total())
    for _, c in ipairs(clients) do c:shutdown() end
  end)

  it("drops what a client had when its connection ends, and what it has let go of", function()
    local m <close> = serve()
    local p = mp.Process{ target = function(address)
      local c = Client{ address = address, authkey = KEY }:connect()
      local list = {}
      for i = 1, 10 do list[i] = c:Account() end
      mp.sleep(60)
      list[1]:total()
    end, args = { m.address } }
    p:start()
    helper.eventually(function() return m:number_of_objects() == 10 end, 20)
    p:kill()
    p:join()
    helper.eventually(function() return m:number_of_objects() == 0 end)
    local c <close> = client_of(m)
    local keep = c:Account()
    for _ = 1, 10 do c:Account():pay(1) end
    collectgarbage()
    collectgarbage()
    helper.eventually(function() return m:number_of_objects() == 1 end)
    assert.equal(1, keep:pay(1))
  end)

  it("has proxies that can be sent to the client's own children", function()
    local m <close> = serve()
    local c <close> = client_of(m)
    for _, method in ipairs(mp.get_all_start_methods()) do
      local a = c:Account()
      a:pay(1)
      local p = mp.get_context(method).Process{ target = function(proxy)
        for _ = 1, 10 do proxy:pay(1) end
      end, args = { a } }
      p:start()
      assert.is_true(p:join(20))
      assert.equal(0, p.exitcode)
      assert.equal(11, a:total())
      local q = mp.Queue()
      q:put(a)
      assert.is_true(q:get() == a)
    end
  end)

  it("can be used by forked children of a client at the same time", function()
    local m <close> = serve()
    local c <close> = client_of(m)
    local a = c:Account()
    local list = {}
    for i = 1, 4 do
      list[i] = mp.get_context("fork").Process{ target = function()
        for _ = 1, 25 do a:pay(1) end
      end }
      list[i]:start()
    end
    for _ = 1, 25 do a:pay(1) end
    for _, p in ipairs(list) do assert.is_true(p:join(20)) end
    assert.equal(125, a:total())
  end)
end)

describe("serve_forever", function()
  local script <const> = [[
    local mp = require "multiprocessing"
    local items = {}
    local stop
    local Queue = mp.BaseManager:extend "QueueManager"
    Queue:register("get_queue", function()
      return { put = function(_, v) table.insert(items, v) end,
        get = function()
          while #items == 0 do mp.sleep(0.001) end
          return table.remove(items, 1)
        end }
    end)
    Queue:register("stop", function() return { now = function() stop() end } end)
    local server = Queue{ address = %q, authkey = "k" }:get_server()
    function stop() server:stop() end
    print(server.address)
    io.stdout:flush()
    server:serve_forever()
    print "ended"]]

  local User = mp.BaseManager:extend "User"
  User:register "get_queue"
  User:register "stop"

  -- Runs the script; f gets the address and a function that signals it. -> output, status
  local function with_server(address, f)
    local q = mp.Queue()
    local p = mp.Process{ target = function(text)
      local path = os.tmpname()
      do
        local file <close> = assert(io.open(path, "w"))
        file:write(text)
      end
      local pipe <close> = assert(io.popen(("echo $$; exec timeout -k 1 --foreground 30 %s %s 2>&1")
        :format(helper.interpreter, path)))
      q:put(tonumber(pipe:read "l"))
      q:put(pipe:read "l")
      q:put((pipe:read "a"))
      q:put({ pipe:close() })
      os.remove(path)
    end, args = { script:format(address) } }
    p:start()
    local pid, bound = q:get(true, 20), q:get(true, 20)
    f(bound, function(signal) os.execute(("pkill -%s -P %d"):format(signal, pid)) end)
    local output, status = q:get(true, 30), q:get(true, 30)
    p:join()
    return output, status
  end

  it("serves until it is stopped, with calls that wait", function()
    local output, status = with_server("127.0.0.1:0", function(address)
      local a = User{ address = address, authkey = "k" }:connect()
      local b = User{ address = address, authkey = "k" }:connect()
      local results = mp.Queue()
      local p = mp.Process{ target = function(at)
        results:put(User{ address = at, authkey = "k" }:connect():get_queue():get())
      end, args = { address } }
      p:start()
      assert.is_false(results:try_get(0.2))
      b:get_queue():put("hello")
      assert.equal("hello", results:get(true, 20))
      p:join()
      a:stop():now()
    end)
    assert.equal("ended\n", output)
    assert.equal(0, status[3])
  end)

  for signal, expected in pairs { INT = "ended\n", TERM = "" } do
    it("ends by SIG" .. signal .. " and removes its path", function()
      local path = os.tmpname()
      os.remove(path)
      local output = with_server(path, function(address, kill)
        local a = User{ address = address, authkey = "k" }:connect()
        a:get_queue():put(1)
        kill(signal)
      end)
      assert.equal(expected, output)
      assert.is_nil(os.rename(path, path))
    end)
  end
end)
