--- Specs of Listener and Client, from the user's side.

local helper = require "spec.helper"
local mp = require "multiprocessing"

local error_of <const>, raises <const> = helper.error_of, helper.raises

local start <const> = helper.starter(mp)

-- a socket without any handshake, for peers that misbehave
local function raw(address) return mp.Client(address, { format = "json" }) end

-- a client in a process of its own; f gets the connection
local function client(address, options, f)
  return start(function()
    local conn <close> = mp.Client(address, options)
    f(conn)
  end)
end

local function exists(path) return os.rename(path, path) ~= nil end

describe("Listener", function()
  it("checks its options", function()
    assert.matches("unknown option 'adress' to 'Listener'",
      error_of(mp.Listener, { adress = "x" }), 1, true)
    assert.matches("bad option 'authkey' to 'Listener' (string expected",
      error_of(mp.Listener, { authkey = 5 }), 1, true)
    assert.matches("'frames' or 'json'", error_of(mp.Listener, { format = "xml" }), 1, true)
    assert.matches("needs an authkey", error_of(mp.Listener, { address = "127.0.0.1:0" }), 1, true)
    assert.matches("no code passes", error_of(mp.Listener,
      { address = "127.0.0.1:0", authkey = "k", code = true }), 1, true)
    assert.matches("unknown option 'x' to 'Client'", error_of(mp.Client, "/x", { x = 1 }), 1, true)
    raises("ProcessError", mp.Listener, { address = "/nonexistent/directory/socket" })
    raises("ProcessError", mp.Listener, { address = ("/tmp/"):rep(40) })
    raises("ProcessError", mp.Client, "/nonexistent/socket")
    raises("ProcessError", mp.Client, "127.0.0.1:1", { authkey = "k" })
  end)

  it("has a fresh path of mode 600, removed by close", function()
    local l = mp.Listener()
    local other = mp.Listener()
    assert.not_equal(l.address, other.address)
    local file <close> = assert(io.popen("stat -c %a " .. l.address))
    assert.equal("600", file:read())
    start(function() l:close() end):join() -- a child's close removes nothing
    assert.is_true(exists(l.address))
    l:close()
    l:close()
    assert.is_false(exists(l.address))
    raises("ClosedError", l.accept, l)
    other:close()
  end)

  it("leaves no path behind when its process ends, however it ends normally", function()
    for _, ending in ipairs{ "", "os.exit(0)", "error 'x'" } do
      local path = os.tmpname() .. ".s"
      helper.run(([[
        local mp = require "multiprocessing"
        local l = mp.Listener{ address = %q }
        mp.Process{ target = function() k = mp.Listener{ address = %q } end }:start()
        %s]]):format(path, path .. "k", ending))
      assert.is_false(exists(path))
      assert.is_false(exists(path .. "k"))
      os.remove((path:gsub("%.s$", "")))
    end
  end)

  it("refuses an address in use, and replaces what the dead left", function()
    local l = mp.Listener()
    local e = raises("ProcessError", mp.Listener, { address = l.address })
    assert.matches("in use", e.message, 1, true)
    local path = l.address
    l:close()
    local p = start(function()
      local left = mp.Listener{ address = path }
      assert(left)
      mp.kill(mp.getpid(), 9)
    end)
    p:join()
    assert.is_true(exists(path))
    local again <close> = mp.Listener{ address = path }
    assert.equal(path, again.address)
    local file <close> = assert(io.open(path .. ".txt", "w"))
    file:write "mine"
    raises("ProcessError", mp.Listener, { address = path .. ".txt" })
    assert.is_true(exists(path .. ".txt"))
    os.remove(path .. ".txt")
  end)

  it("tells who was accepted", function()
    local l <close> = mp.Listener{ address = "127.0.0.1:0", authkey = "k" }
    assert.matches("^127%.0%.0%.1:%d+$", l.address)
    assert.is_nil(l.last_accepted)
    local p = client(l.address, { authkey = "k" }, function(conn) conn:send(1) end)
    local conn <close> = l:accept(5)
    assert.equal(1, conn:recv())
    assert.matches("^127%.0%.0%.1:%d+$", l.last_accepted)
    assert.not_equal(l.address, l.last_accepted)
    p:join()
  end)

  it("raises TimeoutError when nobody comes", function()
    local l <close> = mp.Listener()
    local begin = mp.now()
    raises("TimeoutError", l.accept, l, 0.05)
    assert.is_true(mp.now() - begin < 1)
    raises("TimeoutError", l.accept, l, 0)
  end)

  for _, address in ipairs{ "127.0.0.1:0", "path" } do
    describe("on " .. address, function()
      local function listen(options)
        options.address = address ~= "path" and address or nil
        return mp.Listener(options)
      end

      it("passes values of any size", function()
        local l <close> = listen{ authkey = "k" }
        local p = client(l.address, { authkey = "k" }, function(conn)
          while true do
            conn:send(conn:recv())
          end
        end)
        local conn <close> = l:accept(5)
        for _, n in ipairs{ 0, 1, 1000, 70000, 5 << 20 } do
          local s = ("x"):rep(n)
          conn:send{ s, n }
          assert.is_true(conn:poll(5))
          local v = conn:recv()
          assert.is_true(v[1] == s and v[2] == n)
        end
        conn:send_bytes("raw bytes", 5)
        p:join(10)
        assert.equal(1, p.exitcode) -- "bytes" is no message
        raises("EOFError", conn.recv, conn)
        assert.is_true(conn:poll())
      end)

      it("refuses a wrong or missing key on both sides, and lives on", function()
        local l <close> = listen{ authkey = "right" }
        local said = mp.Queue()
        local p = start(function()
          for _, key in ipairs{ "wrong", false, "" } do
            local ok, e = pcall(mp.Client, l.address, { authkey = key or nil })
            said:put(not ok and e.name)
          end
          local conn <close> = mp.Client(l.address, { authkey = "right" })
          conn:send "in"
        end)
        for _ = 1, 3 do raises("AuthenticationError", l.accept, l, 5) end
        local conn <close> = l:accept(5)
        assert.equal("in", conn:recv())
        for _ = 1, 3 do assert.equal("AuthenticationError", said:get(true, 5)) end
        assert.is_true(p:join(10))
      end)

      it("accepts no functions and no shared objects", function()
        local l <close> = listen{ authkey = "k" }
        local p = client(l.address, { authkey = "k" }, function(conn)
          conn:send_bytes(mp.dumps(function() end))
        end)
        local conn <close> = l:accept(5)
        raises("SerializationError", conn.send, conn, function() end)
        raises("SerializationError", conn.send, conn, mp.Queue())
        raises("SerializationError", conn.recv, conn)
        assert.is_true(conn.closed)
        p:join()
      end)

      it("is not delayed by the silent, and drops them", function()
        local l <close> = listen{ authkey = "k" }
        local silent = {}
        for i = 1, 5 do silent[i] = raw(l.address) end
        local p = client(l.address, { authkey = "k" }, function(conn) conn:recv() end)
        local begin = mp.now()
        local conn <close> = l:accept(5)
        assert.is_true(mp.now() - begin < 1)
        conn:send(1)
        p:join()
        raises("TimeoutError", l.accept, l, 5.3)
        for i = 1, 5 do
          assert.matches("mplua 1", silent[i]._raw:recv_bytes(), 1, true)
          assert.is_true(silent[i]:poll())
          raises("EOFError", silent[i].recv, silent[i])
        end
      end)

      it("survives rubbish", function()
        local l <close> = listen{ authkey = "k" }
        local seed = os.time()
        math.randomseed(seed)
        print("  seed " .. seed)
        local p = start(function()
          local open = {}
          for i = 1, 150 do
            local peer = raw(l.address)
            local bytes = {}
            for k = 1, math.random(0, 600) do bytes[k] = string.char(math.random(0, 255)) end
            if math.random(4) == 1 then table.insert(bytes, 1, "mplua 1 frames ") end
            pcall(peer._raw.send_bytes, peer._raw, table.concat(bytes))
            open[i] = peer
            if math.random(3) > 1 then open[i]:close() end
          end
          local conn <close> = mp.Client(l.address, { authkey = "k" })
          conn:send "after the storm"
        end)
        local conn
        helper.eventually(function()
          local ok, c = pcall(l.accept, l, 5)
          conn = ok and c or nil
          return conn
        end, 20)
        assert.equal("after the storm", conn:recv())
        conn:close()
        p:join()
      end)
    end)
  end

  it("limits the length of messages", function()
    local l <close> = mp.Listener{ limit = 1000 }
    local p = client(l.address, { limit = 5000 }, function(conn)
      conn:send_bytes(("x"):rep(1000))
      conn:send_bytes(("x"):rep(1001))
    end)
    local conn <close> = l:accept(5)
    local e = raises("ProcessError", conn.send, conn, ("x"):rep(2000))
    assert.matches("limit", e.message, 1, true)
    assert.equal(1000, #conn:recv_bytes())
    raises("ProcessError", conn.recv_bytes, conn)
    assert.is_true(conn.closed)
    p:join()
  end)

  it("passes functions over a path when both want it", function()
    local l <close> = mp.Listener{ code = true }
    local p = client(l.address, nil, function(conn)
      local f = conn:recv()
      conn:send(f(20))
    end)
    local conn <close> = l:accept(5)
    local offset = 22
    conn:send(function(x) return x + offset end)
    assert.equal(42, conn:recv())
    p:join()
    p = client(l.address, { code = false }, function(c) c:recv() end)
    local wary <close> = l:accept(5)
    wary:send(function() end)
    assert.is_true(p:join(5))
    assert.equal(1, p.exitcode)
  end)

  it("speaks JSON", function()
    for _, key in ipairs{ false, "k" } do
      local l <close> = mp.Listener{ format = "json", authkey = key or nil }
      local p = client(l.address, { format = "json", authkey = key or nil }, function(conn)
        local v = conn:recv()
        v.text = v.text .. "!\n"
        conn:send(v)
        conn._raw:send_bytes "{no json"
      end)
      local conn <close> = l:accept(5)
      conn:send{ text = "line\nline", list = { 1, 2.5, true } }
      assert.same({ text = "line\nline!\n", list = { 1, 2.5, true } }, conn:recv())
      raises("SerializationError", conn.recv, conn)
      raises("ClosedError", conn.send, conn, 1)
      p:join()
    end
  end)

  it("serves programs in other languages", function()
    if os.execute("command -v python3 >/dev/null") ~= true then return pending("no python3") end
    local command = helper.interpreter .. " scripts/examples/json_service.lua"
    local file <close> = assert(io.popen(command))
    local text = file:read("a")
    assert.matches("sum: 6.5", text, 1, true)
    assert.matches("error: there is no function nonsense", text, 1, true)
  end)

  it("proves its key to them, and they theirs", function()
    if os.execute("command -v python3 >/dev/null") ~= true then return pending("no python3") end
    local l <close> = mp.Listener{ address = "127.0.0.1:0", authkey = "k", format = "json" }
    local python = "python3 scripts/examples/json_client.py %s %s >/dev/null 2>&1"
    local p = start(function()
      os.execute(python:format(l.address, "wrong"))
      os.execute(python:format(l.address, "k"))
    end)
    raises("AuthenticationError", l.accept, l, 10)
    local conn <close> = l:accept(10)
    assert.same({ call = "sum", argument = { 1, 2, 3.5 } }, conn:recv())
    conn:close()
    assert.is_true(p:join(10))
  end)

  it("serves in wait, by itself and its connections", function()
    local l <close> = mp.Listener()
    assert.same({}, mp.wait({ l }, 0.01))
    local p = client(l.address, nil, function(conn)
      conn:send(1)
      conn:recv()
    end)
    assert.same({ l }, mp.wait({ l }, 5))
    local conn <close> = l:accept(5)
    assert.same({ conn }, mp.wait({ conn, mp.Queue() }, 5))
    conn:recv()
    assert.same({}, mp.wait({ conn }, 0.01))
    conn:send(2)
    p:join()
    assert.same({ conn }, mp.wait({ conn }, 5))
  end)

  it("shakes hands step by step in an event loop", function()
    local l <close> = mp.Listener{ authkey = "k" }
    local silent = raw(l.address)
    local p = client(l.address, { authkey = "k" }, function(conn) conn:send "in" end)
    local conn, rounds, deadline = nil, 0, mp.now() + 5
    while not conn and mp.now() < deadline do
      rounds = rounds + 1
      assert.same({ l }, mp.wait({ l }, 5))
      local ok, c = pcall(l.accept, l, 0)
      conn = ok and c
      assert.is_true(ok or mp.iserror(c, "TimeoutError"))
    end
    assert.equal("in", conn:recv())
    assert.is_true(rounds < 10, rounds)
    assert.same({}, mp.wait({ l }, 0.02)) -- the accepted one is no business of it
    conn:close()
    silent:close()
    p:join()
  end)

  it("leaves nothing behind", function()
    helper.leaks_nothing(function()
      local l <close> = mp.Listener{ authkey = "k" }
      local p = start(function()
        pcall(mp.Client, l.address)
        local conn <close> = mp.Client(l.address, { authkey = "k" })
        conn:send(1)
      end)
      pcall(l.accept, l, 5)
      local conn <close> = l:accept(5)
      conn:recv()
      p:join()
      local lost = raw(l.address)
      pcall(l.accept, l, 0.05)
      lost:close()
    end)
  end)
end)
