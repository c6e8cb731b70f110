--- Specs of Pipe and its connections, from the user's side.

local helper = require "spec.helper"
local mp = require "multiprocessing"

local error_of <const>, raises <const> = helper.error_of, helper.raises

describe("Pipe", function()
  it("has fields that say what an end can do", function()
    local a, b = mp.Pipe()
    assert.same({ true, true, false }, { a.readable, a.writable, a.closed })
    a:close()
    assert.same({ false, false, true }, { a.readable, a.writable, a.closed })
    assert.is_nil(b.nonsense)
    local r, w = mp.Pipe(false)
    assert.same({ true, false }, { r.readable, r.writable })
    assert.same({ false, true }, { w.readable, w.writable })
    r, w = mp.Pipe{ duplex = false }
    assert.is_true(r.readable and w.writable)
  end)

  it("calls the wrong direction misuse", function()
    local r, w = mp.Pipe(false)
    assert.matches("only receives", error_of(r.send, r, 1), 1, true)
    assert.matches("only sends", error_of(w.recv, w), 1, true)
    assert.matches("only sends", error_of(w.poll, w), 1, true)
    assert.matches("bad argument #1 to 'Pipe'", error_of(mp.Pipe, 3), 1, true)
    assert.matches("unknown option 'x'", error_of(mp.Pipe, { x = 1 }), 1, true)
  end)

  it("passes values both ways", function()
    local a, b = mp.Pipe()
    a:send{ 1, { 2 } }
    b:send "back"
    assert.equal(2, b:recv()[2][1])
    assert.equal("back", a:recv())
    a:send(nil)
    assert.is_nil(b:recv())
  end)

  it("is usable with <close>", function()
    local a, b = mp.Pipe()
    do
      local x <close> = a
      x:send(1)
    end
    assert.is_true(a.closed)
    assert.equal(1, b:recv())
    raises("EOFError", b.recv, b)
    raises("EOFError", b.send, b, 1)
    raises("ClosedError", a.send, a, 1)
    raises("ClosedError", a.poll, a)
    a:close()
  end)

  describe(":send_bytes() and :recv_bytes()", function()
    it("pass strings as they are, and parts of them", function()
      local a, b = mp.Pipe()
      for _, s in ipairs{ "", "abc", ("\0\255"):rep(5000) } do
        a:send_bytes(s)
        assert.is_true(b:recv_bytes() == s)
      end
      local parts = { { 2 }, { 2, 3 }, { -2 }, { -3, -2 }, { 0 }, { 4, 9 }, { 9 }, { 3, 2 } }
      for _, part in ipairs(parts) do
        a:send_bytes("abcde", part[1], part[2])
        assert.equal(("abcde"):sub(part[1], part[2]), b:recv_bytes())
      end
    end)

    it("keep what was longer than wanted in the error", function()
      local a, b = mp.Pipe()
      a:send_bytes "12345"
      a:send_bytes "123"
      local e = raises("BufferTooShort", b.recv_bytes, b, 4)
      assert.is_true(e:is "ProcessError")
      assert.equal("12345", e.value)
      assert.equal("123", b:recv_bytes(3))
      assert.matches("bad argument #1 to 'recv_bytes'",
        error_of(function() b:recv_bytes(-1) end), 1, true)
    end)

    it("give serialized values, and take them", function()
      local a, b = mp.Pipe()
      a:send{ 7 }
      assert.equal(7, mp.loads(b:recv_bytes())[1])
      a:send_bytes(mp.dumps{ 8 })
      assert.equal(8, b:recv()[1])
      a:send_bytes "no message"
      raises("SerializationError", b.recv, b)
    end)
  end)

  describe(":poll()", function()
    it("waits up to the timeout", function()
      local a, b = mp.Pipe()
      assert.is_false(b:poll())
      local start = mp.now()
      assert.is_false(b:poll(0.05))
      assert.is_true(mp.now() - start >= 0.05)
      a:send(1)
      assert.is_true(b:poll())
      assert.is_true(b:poll(1))
      b:recv()
      assert.is_false(b:poll())
      a:close()
      assert.is_true(b:poll())
    end)
  end)

  describe(":fileno()", function()
    it("is readable while messages wait", function()
      local a, b = mp.Pipe()
      a:send(0)
      local fd = b:fileno()
      assert.equal(fd, b:fileno())
      local function is_readable() return #mp.wait({ fd }, 0) == 1 end
      assert.is_true(is_readable())
      a:send(1)
      b:recv()
      assert.is_true(is_readable())
      b:recv()
      assert.is_false(is_readable())
      a:send(2)
      assert.is_true(is_readable())
      b:recv()
      assert.is_false(is_readable())
      a:close()
      assert.is_true(is_readable())
    end)

    it("closes with the connection", function()
      helper.leaks_nothing(function()
        local a, b = mp.Pipe()
        b:fileno()
        a:close()
        b:close()
      end)
    end)
  end)

  it("counts an end inside a message as open", function()
    local a, b = mp.Pipe()
    local q = mp.Queue()
    q:put(b)
    b:close()
    assert.is_false(a:poll())
    a:send "still there"
    b = q:get()
    assert.equal("still there", b:recv())
    q:put(b)
    b:close()
    q:close() -- with the message in it
    assert.is_true(a:poll(1))
    raises("EOFError", a.recv, a)
  end)

  it("frees all memory", function()
    helper.leaks_nothing(function()
      for _ = 1, 10 do
        local a, b = mp.Pipe()
        for i = 1, 100 do a:send{ i, ("x"):rep(i * 50) } end
        a:close()
        b:close()
      end
    end)
  end)
end)

helper.each_method(function(ctx)
  local start <const> = helper.starter(ctx)

  describe("Pipe between processes", function()
    it("answers", function()
      local a, b = ctx.Pipe()
      local p = start(function(conn)
        while true do
          local v = conn:recv()
          if v == "end" then break end
          conn:send(v)
        end
      end, b)
      for _, v in ipairs{ 1, "x", ("y"):rep(100000) } do
        a:send(v)
        assert.equal(v, a:recv())
      end
      a:send "end"
      assert.is_true(p:join(10))
    end)

    it("is at its end when the other process ends", function()
      local a, b = ctx.Pipe()
      local p = start(function(conn) conn:send "last" end, b)
      b:close()
      assert.equal("last", a:recv())
      raises("EOFError", a.recv, a)
      raises("EOFError", a.send, a, 1)
      assert.is_true(p:join(10))
    end)

    it("is at its end when the other process is killed", function()
      local a, b = ctx.Pipe()
      local p = start(function(conn, sleep)
        conn:send "here"
        sleep(100)
      end, b, mp.sleep)
      b:close()
      assert.equal("here", a:recv())
      p:kill()
      local start_time = mp.now()
      raises("EOFError", a.recv, a)
      assert.is_true(mp.now() - start_time < 1)
      p:join()
    end)

    it("keeps messages whole with several senders on one end", function()
      local a, b = ctx.Pipe()
      local ps = {}
      for i = 1, 3 do
        ps[i] = start(function(conn, who)
          for k = 1, 100 do conn:send{ who, ("%d"):format(who):rep(k * 37) } end
        end, b, i)
      end
      local count = { 0, 0, 0 }
      for _ = 1, 300 do
        local v = a:recv()
        count[v[1]] = count[v[1]] + 1
        assert.equal(("%d"):format(v[1]):rep(count[v[1]] * 37), v[2])
      end
      for _, p in ipairs(ps) do assert.is_true(p:join(10)) end
    end)

    it("travels to a process that runs already", function()
      local q, a, b = ctx.Queue(), ctx.Pipe()
      local p = start(function(queue) queue:get():send "from afar" end, q)
      q:put(b)
      b:close()
      assert.equal("from afar", a:recv())
      assert.is_true(p:join(10))
      raises("EOFError", a.recv, a)
    end)
  end)

  describe("wait", function()
    it("tells which of many are ready", function()
      local a, b = ctx.Pipe()
      local q = ctx.Queue()
      local p = start(function(conn, sleep)
        sleep(0.05)
        conn:send "x"
        conn:recv()
      end, b, mp.sleep)
      local list = { q, a, p, p.sentinel }
      assert.same({ a }, ctx.wait(list, 10))
      a:recv()
      q:put(1)
      assert.same({ q }, ctx.wait(list))
      q:get()
      assert.same({}, ctx.wait(list, 0.01))
      a:send "go"
      local ready = ctx.wait({ p }, 10)
      assert.same({ p }, ready)
      assert.is_true(p:join(10))
      assert.equal(2, #ctx.wait({ p, p.sentinel }, 0))
    end)

    it("reports the end of file and of a queue", function()
      local a, b = ctx.Pipe()
      local q = ctx.Queue()
      b:close()
      assert.same({ a }, ctx.wait({ a, q }, 1))
      q:shutdown()
      assert.same({ a, q }, ctx.wait{ a, q })
    end)

    it("notices a killed process at the other end", function()
      local a, b = ctx.Pipe()
      local p = start(mp.sleep, 100)
      local c, d = ctx.Pipe()
      local holder = start(function(conn, sleep)
        conn:send(1)
        sleep(100)
      end, d, mp.sleep)
      d:close()
      c:recv()
      holder:kill()
      assert.same({ c }, ctx.wait({ a, c, p }, 10))
      holder:join()
      p:kill()
      p:join()
      b:close()
    end)

    it("leaves nothing behind", function()
      helper.leaks_nothing(function()
        local a, b = ctx.Pipe()
        local q = ctx.Queue()
        assert.same({}, ctx.wait({ a, q }, 0.02))
        a:close()
        b:close()
        q:close()
      end)
    end)
  end)
end)

describe("wait", function()
  it("wants a list of things that can be waited for", function()
    assert.matches("bad argument #1 to 'wait'", error_of(mp.wait, 3), 1, true)
    assert.matches("item 1, a string", error_of(mp.wait, { "x" }), 1, true)
    assert.matches("bad argument #2 to 'wait'", error_of(mp.wait, {}, "x"), 1, true)
    assert.matches("NaN", error_of(mp.wait, {}, 0 / 0), 1, true)
    local q = mp.Queue()
    q:close()
    raises("ClosedError", mp.wait, { q })
    assert.same({}, mp.wait({}, 0.01))
  end)

  it("knows asynchronous results", function()
    local pool <close> = mp.Pool(2)
    local q = mp.Queue()
    local slow = pool:apply_async(mp.sleep, { 0.2 })
    local quick = pool:apply_async(mp.sleep, { 0.02 })
    assert.same({ quick }, mp.wait({ q, slow, quick }, 5))
    assert.same({ slow }, mp.wait({ q, slow }, 5))
    q:put(1)
    assert.same({ q, slow, quick }, mp.wait{ q, slow, quick })
  end)

  it("serves more waiters than a list of bells has places", function()
    local q, told = mp.Queue(), mp.Queue()
    local ps = {}
    for i = 1, 20 do
      ps[i] = mp.Process{ target = function()
        told:put "here"
        mp.wait{ q }
        told:put "woken"
      end }
      ps[i]:start()
    end
    for _ = 1, 20 do told:get(true, 10) end
    q:put(1)
    for _ = 1, 20 do assert.equal("woken", told:get(true, 10)) end
    for _, p in ipairs(ps) do assert.is_true(p:join(10)) end
  end)
end)
