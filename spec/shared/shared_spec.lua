--- Specs of Value, Array, RawValue, RawArray, SharedMemory and ShareableList.
-- MIT licence, see LICENSE

local helper = require "spec.helper"
local mp = require "multiprocessing"

-- largest and smallest of each integer type
local ranges <const> = {
  b = { -128, 127 }, B = { 0, 255 }, h = { -32768, 32767 }, H = { 0, 65535 },
  i = { -2147483648, 2147483647 }, I = { 0, 4294967295 },
  l = { math.mininteger, math.maxinteger }, L = { 0, math.maxinteger },
  q = { math.mininteger, math.maxinteger }, Q = { 0, math.maxinteger },
}

-- the message of an error, which is at this file's line
local function message_of(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.matches("^spec/shared/shared_spec.lua:%d+: ", message)
  return (message:gsub("^.-:%d+: ", ""))
end

describe("The types", function()
  for _, name in ipairs{ "Value", "RawValue" } do
    for code, range in pairs(ranges) do
      it("of " .. name .. ": " .. code .. " holds its range and nothing else", function()
        local v = mp[name](code, 0)
        for _, x in ipairs{ range[1], range[2], 0, 1, 7.0 } do
          v.value = x
          assert.equal(x, v.value)
          assert.equal("integer", math.type(v.value))
        end
        for _, x in ipairs{ 1.5, "1", 0/0, 1/0, true, {}, 2.0^64 } do
          assert.matches("does not fit type '" .. code .. "'", message_of(function()
            v.value = x
          end))
        end
        if math.abs(range[2]) < math.maxinteger then
          assert.is_false(pcall(function() v.value = range[2] + 1 end))
        end
        if range[1] > math.mininteger then
          assert.is_false(pcall(function() v.value = range[1] - 1 end))
        end
        assert.equal(7, v.value)
        v.value = range[2]
        assert.is_false(pcall(v.add, v, 1))
        assert.equal(range[2], v.value)
        v.value = range[1]
        assert.is_false(pcall(v.add, v, -1))
        assert.equal(range[1], v.value)
      end)
    end
  end

  it("of floats hold numbers; f may round", function()
    local d, f = mp.Value("d", 0.1), mp.RawValue("f", 0.1)
    assert.equal(0.1, d.value)
    assert.is_true(math.abs(f.value - 0.1) < 1e-7)
    for _, x in ipairs{ 1/0, -1/0, -0.0, 3 } do
      d.value, f.value = x, x
      assert.equal(x, d.value)
      assert.equal(x, f.value)
    end
    d.value = 0/0
    assert.is_true(d.value ~= d.value)
    assert.is_false(pcall(function() f.value = 1e300 end))
    assert.is_false(pcall(function() d.value = "1" end))
  end)

  it("of c is a string of one byte", function()
    local c = mp.Value("c", "x")
    c.value = "\0"
    assert.equal("\0", c.value)
    for _, x in ipairs{ "", "ab", 65 } do
      assert.is_false(pcall(function() c.value = x end))
    end
    assert.is_false(pcall(c.add, c, 1))
    assert.is_true(c:cas("\0", "y"))
    assert.equal("yz", c:update(function(x) return x == "y" and "z" end) and "y" .. c.value)
  end)

  it("are named right", function()
    assert.matches("bad argument #1 to 'Value'", message_of(function() mp.Value("z", 1) end))
    assert.matches("bad argument #1 to 'Array'", message_of(function() mp.Array(5, 1) end))
    assert.equal("unknown option 'type' to 'Value' (there are: typecode, value, lock)",
      message_of(function() mp.Value{ type = "i" } end))
    assert.equal(5, mp.Value{ typecode = "i", value = 5 }.value)
    assert.equal(0, mp.Value("i").value)
  end)
end)

helper.each_method(function(ctx)
  local start <const> = helper.starter(ctx)

  local function run(target, ...)
    local p = start(target, ...)
    assert.is_true(p:join(30))
    assert.equal(0, p.exitcode)
  end

  local function run_all(n, target, ...)
    local ps = {}
    for i = 1, n do ps[i] = start(target, ...) end
    for _, p in ipairs(ps) do assert.is_true(p:join(30)) end
  end

  describe("Value", function()
    it("is seen by all", function()
      local v = ctx.Value("i", 3)
      run(function(x) x.value = x.value * 2 end, v)
      assert.equal(6, v.value)
    end)

    it("is counted up without losses, in every way", function()
      for _, name in ipairs{ "hold", "add", "update", "cas" } do
        local v = ctx.Value("q", 0)
        run_all(3, function(x, how)
          for _ = 1, 2000 do
            if how == "hold" then
              local _ <close> = x:hold()
              x.value = x.value + 1
            elseif how == "add" then
              x:add(1)
            elseif how == "update" then
              x:update(function(n) return n + 1 end)
            else
              repeat local n = x.value until x:cas(n, n + 1)
            end
          end
        end, v, name)
        assert.equal(6000, v.value, name)
      end
      local r = ctx.RawValue("h", 0)
      run_all(3, function(x) for _ = 1, 2000 do x:add(1) end end, r)
      assert.equal(6000, r.value)
    end)

    it("changes nothing when the function of update raises", function()
      local v = ctx.Value("i", 1)
      local calls = 0
      assert.has_error(function()
        v:update(function()
          calls = calls + 1
          error("boo", 0)
        end)
      end, "boo")
      assert.is_false(pcall(v.update, v, function() return "x" end))
      assert.is_false(pcall(v.update, v, function() return 2.0^40 end))
      assert.same({ 1, 1, false }, { v.value, calls, v:locked() })
      assert.equal(5, v:update(function(x) return v:add(1) + x + 2 end))
    end)

    it("has a recursive lock, which keeps others out", function()
      local v = ctx.Value("i", 1)
      local p
      do
        local _ <close> = v:hold()
        local _ <close> = v:get_lock():hold()
        p = start(function(x) x.value = 100 end, v)
        mp.sleep(0.05)
        v.value = v:add(1) + 1
        assert.equal(3, v.value)
        v.value = 4
      end
      p:join()
      assert.equal(100, v.value)
      assert.equal(v:get_lock(), v:get_lock())
      assert.equal(7, v:with(function() return 7 end))
    end)

    it("takes a lock of the user's", function()
      for _, name in ipairs{ "Lock", "RLock" } do
        local lock = ctx[name]()
        local v = ctx.Value("i", 1, lock)
        assert.equal(lock, v:get_lock())
        local _ <close> = v:hold()
        assert.is_true(lock:locked())
        assert.equal(2, v:add(1)) -- also inside, whatever kind of lock it is
        v.value = v.value + 1
        assert.equal(3, v.value)
      end
      assert.is_false(pcall(ctx.Value, "i", 1, 5))
      assert.is_nil(ctx.Value("i", 1, false).get_lock)
    end)

    it("can be used after its holder died, and tells it", function()
      local v = ctx.Value("i", 1)
      local function die(x)
        x:acquire()
        mp.kill(mp.getpid(), 9)
      end
      start(die, v):join()
      assert.same({ true, "abandoned" }, { v:acquire(false) })
      v:release()
      start(die, v):join()
      v.value = 5
      assert.equal(6, v:add(1))
      assert.same({ true, "abandoned" }, { v:get_lock():acquire() })
      v:release()
      assert.same({ true }, { v:acquire() })
    end)

    it("is never torn", function()
      local v, stop = ctx.RawValue("q", 0), ctx.Event()
      local a <const>, b <const> = 0x0101010101010101, -0x0202020202020202
      local function write(x, e)
        repeat
          for _ = 1, 100 do
            x.value = a
            x.value = b
          end
        until e:is_set()
      end
      local ps = { start(write, v, stop), start(write, v, stop) }
      for _ = 1, 100000 do
        local x = v.value
        assert(x == 0 or x == a or x == b)
      end
      ps[1]:kill()
      stop:set()
      for _, p in ipairs(ps) do p:join() end
    end)
  end)

  describe("Array", function()
    it("is seen by all", function()
      local a = ctx.Array("d", { 1, 2, 3 })
      run(function(x) for i = 1, #x do x[i] = -x[i] end end, a)
      assert.same({ -1.0, -2.0, -3.0 }, a:totable())
    end)
  end)

  describe("a shared object", function()
    it("travels to a process that runs already", function()
      local q, back = ctx.Queue(), ctx.Queue()
      local p = start(function(x, y)
        local t = x:get()
        t.value:add(1)
        t.array[2] = 5
        t.memory:write(1, "child")
        t.list[1] = "changed"
        t.lock:release()
        y:put(t.lock)
      end, q, back)
      local t = { value = ctx.Value("i", 1), array = ctx.RawArray("i", 3), lock = ctx.Lock(),
        memory = ctx.SharedMemory{ size = 10 }, list = ctx.ShareableList{ "originally" } }
      t.lock:acquire()
      q:put(t)
      assert.equal(t.lock, back:get(true, 10))
      p:join()
      assert.same({ 2, 5, "child", "changed", false },
        { t.value.value, t.array[2], t.memory:read(1, 5), t.list[1], t.lock:locked() })
    end)

    it("stays alive inside a message", function()
      local q = ctx.Queue()
      do
        local v = ctx.Value("i", 42, ctx.Lock())
        q:put(v)
        v = nil -- luacheck: ignore
      end
      collectgarbage()
      collectgarbage()
      local v = q:get()
      assert.equal(43, v:add(1))
      assert.is_true(v:get_lock():acquire())
      v:release()
    end)

    it("leaves nothing behind, killed or not", function()
      run(function() end)
      helper.leaks_nothing(function()
        local v = ctx.Value("i", 1, ctx.RLock())
        local a = ctx.Array("d", 1000)
        local m = ctx.SharedMemory{ size = 100000 }
        local p = start(function(x, y, z)
          z:write(1, "x")
          x:acquire()
          y:acquire()
          mp.kill(mp.getpid(), 9)
        end, v, a, m)
        p:join()
        assert.equal(2, v:add(1))
        a[1] = 1
      end)
    end)
  end)

  describe("SharedMemory with a name", function()
    it("is found by its name, until it is unlinked", function()
      local name = ("mplua_spec_%d"):format(mp.getpid())
      local m <close> = ctx.SharedMemory{ name = name, create = true, size = 20 }
      m:write(1, "from parent")
      run(function(n, same)
        local own <close> = mp.SharedMemory{ name = n }
        assert(own:read(1, 11) == "from parent" and own.size == 20)
        own:write(1, "from child ")
        assert(same:read(1, 10) == "from child")
      end, name, m)
      assert.equal("from child ", m:read(1, 11))
      assert.equal(name, m.name)
      local ok, err = pcall(ctx.SharedMemory, { name = name, create = true, size = 20 })
      assert.is_false(ok)
      assert.is_true(mp.iserror(err, "ProcessError"))
      m:unlink()
      assert.is_false((pcall(ctx.SharedMemory, name)))
      assert.is_false((pcall(m.unlink, m)))
      assert.equal("from", m:read(1, 4))
    end)
  end)
end)

describe("Array", function()
  for _, name in ipairs{ "Array", "RawArray" } do
    it("(" .. name .. ") reads and writes elements", function()
      local a = mp[name]("i", 4)
      assert.same({ 0, 0, 0, 0 }, a:totable())
      for i in ipairs(a) do a[i] = i * i end
      assert.same({ 1, 4, 9, 16 }, a:totable())
      assert.same({ 4, nil, 16 }, { #a, a[5], a[4.0] })
      for _, i in ipairs{ 0, -1, 6, math.maxinteger, math.mininteger } do
        assert.matches("outside this array %(1..4%)", message_of(function() return a[i] end))
      end
      for _, i in ipairs{ 0, 5, -1 } do
        assert.matches("outside this array", message_of(function() a[i] = 1 end))
      end
      assert.is_false(pcall(function() a.x = 1 end))
      assert.is_nil(a.x)
      assert.equal(10, a:add(1, 9))
      assert.is_true(a:cas(1, 10, 3))
      assert.is_false(a:cas(1, 10, 4))
      assert.is_false(pcall(a.add, a, 5, 1))
    end)

    it("(" .. name .. ") copies ranges", function()
      local a = mp[name]("l", { 10, 20, 30, 40, 50 })
      local cases = { { 2, 4 }, { -2 }, { 0, 100 }, { 4, 2 }, { -100, 1 }, { 6 }, {}, { 3, -3 } }
      for _, c in ipairs(cases) do
        local expected = {}
        local s = ("abcde"):sub(c[1] or 1, c[2] or -1)
        for k in s:gmatch "." do expected[#expected + 1] = (k:byte() - 96) * 10 end
        assert.same(expected, a:slice(c[1], c[2]))
      end
      a:set({ 1, 2 }, 4)
      assert.same({ 10, 20, 30, 1, 2 }, a:totable())
      a:set({ 7, 8, 9, n = 2 })
      assert.same({ 7, 8, 30, 1, 2 }, a:totable())
      for _, c in ipairs{ { { 1, 2 }, 5 }, { { 1, "x" } }, { { 1 }, 0 }, { { 1.5 } }, { 5 } } do
        assert.is_false(pcall(a.set, a, c[1], c[2]))
      end
      assert.same({ 7, 8, 30, 1, 2 }, a:totable())
      a:fill(0, 2, 3)
      a:fill(9, -1)
      assert.same({ 7, 0, 0, 1, 9 }, a:totable())
    end)
  end

  it("of every type gives back what it was given", function()
    for code in ("bBhHiIlLqQfd"):gmatch "." do
      local r = ranges[code] or { -1.5, 2.5 }
      local list = { r[1], r[2], 0, 1 }
      assert.same(list, mp.Array(code, list):totable())
      assert.same(list, mp.RawArray(code, list):slice())
    end
  end)

  it("of type c is a string, too", function()
    local a = mp.Array("c", "hello")
    assert.same({ 5, "hello", "hello", "e" }, { #a, a.value, a.raw, a[2] })
    a.value = "ab"
    assert.same({ "ab", "ab\0lo" }, { a.value, a.raw })
    a.raw = "xyz"
    assert.same({ "xyz", "xyz\0\0" }, { a.value, a.raw })
    a:set("12", 4)
    assert.same({ "x", "y", "z", "1", "2" }, a:totable())
    assert.is_false(pcall(function() a.value = "longer" end))
    assert.is_nil(mp.Array("i", 1).value)
    assert.equal(3, #mp.Array("c", 3))
  end)

  it("may be empty, and large, and no larger", function()
    local a = mp.Array("i", 0)
    assert.same({ 0, nil }, { #a, a[1] })
    assert.same({}, a:totable())
    a = mp.Array("d", 1000000)
    a[1000000] = 1.5
    assert.equal(1.5, a:totable()[1000000])
    assert.is_false(pcall(mp.Array, "d", 1 << 60))
    assert.is_false(pcall(mp.Array, "d", -1))
    assert.is_false(pcall(mp.Array, "d", 1.5))
  end)

  it("is known to the collector by its size", function()
    local before = helper.arena_bytes()
    for _ = 1, 300 do mp.RawArray("B", 1 << 20) end
    assert(helper.arena_bytes() - before < 150 << 20, "garbage is not collected")
    collectgarbage()
    collectgarbage()
    assert(helper.arena_bytes() <= before)
  end)
end)

describe("SharedMemory", function()
  it("is bytes from 1 to size, zero at first", function()
    local m = mp.SharedMemory{ size = 10 }
    assert.same({ 10, nil, ("\0"):rep(10) }, { m.size, m.name, m:read() })
    m:write(3, "abc")
    assert.equal("\0abc\0", m:read(2, 5))
    assert.equal("c" .. ("\0"):rep(5), m:read(5))
    assert.equal("", m:read(11, 0))
    for _, c in ipairs{ { 0, 1 }, { 10, 2 }, { 12, 0 }, { -1, 1 }, { 1, 11 } } do
      assert.matches("outside this memory", message_of(function() m:read(c[1], c[2]) end))
    end
    assert.is_false(pcall(m.write, m, 9, "abc"))
    assert.is_false(pcall(m.write, m, 1, 5))
    assert.is_false(pcall(mp.SharedMemory, { size = 0 }))
    assert.is_false(pcall(mp.SharedMemory, {}))
    assert.equal("unknown option 'length' to 'SharedMemory' (there are: name, create, size)",
      message_of(function() mp.SharedMemory{ length = 1 } end))
  end)

  it("packs and unpacks", function()
    local m = mp.SharedMemory{ size = 2000 }
    assert.equal(13, m:pack("<i4d", 1, -7, 2.5))
    assert.same({ -7, 2.5, 13 }, { m:unpack("<i4d", 1) })
    local long = ("x"):rep(1500)
    m:pack("<s4z", 100, long, "end")
    assert.same({ long, "end", 1608 }, { m:unpack("<s4z", 100) })
    assert.is_false(pcall(m.unpack, m, "<i8", 1995))
    assert.is_false(pcall(m.pack, m, "<i8", 1995, 1))
    m:write(1997, "\255\0\0\0")
    assert.is_false(pcall(m.unpack, m, "<s4", 1997))
  end)

  it("ends with close", function()
    local name = ("mplua_spec_%d"):format(mp.getpid())
    local ms = { mp.SharedMemory{ size = 10 }, mp.SharedMemory(name, true, 10) }
    ms[2]:unlink()
    for _, m in ipairs(ms) do
      m:close()
      m:close()
      local ok, err = pcall(m.read, m)
      assert.is_false(ok)
      assert.is_true(mp.iserror(err, "ClosedError"))
    end
  end)
end)

describe("ShareableList", function()
  it("keeps its values exactly", function()
    local l = mp.ShareableList{ 1, -2.5, "a\0b\0", true, false, nil, "", math.mininteger, n = 8 }
    assert.equal(8, #l)
    assert.same({ 1, -2.5, "a\0b\0", true, false, nil, "", math.mininteger },
      { l[1], l[2], l[3], l[4], l[5], l[6], l[7], l[8] })
    assert.is_nil(l[9])
    assert.same({ 3, nil, 1 }, { l:index "a\0b\0", l:index "x", l:count(true) })
    for _, i in ipairs{ 0, 10, -1 } do
      assert.is_false(pcall(function() return l[i] end))
    end
    assert.is_false(pcall(function() l[9] = 1 end))
    assert.is_false(pcall(mp.ShareableList, { {} }))
    local seen = {}
    for i, v in ipairs(mp.ShareableList{ 5, 6 }) do seen[i] = v end
    assert.same({ 5, 6 }, seen)
  end)

  it("has the room of its first values", function()
    local l = mp.ShareableList{ 1, "12345678" }
    l[1] = "12345678"
    l[2] = "123456789012345"
    assert.same({ "12345678", "123456789012345" }, { l[1], l[2] })
    assert.matches("no room", message_of(function() l[1] = "123456789" end))
    assert.equal("12345678", l[1])
    l[1] = nil
    l[1] = 2.5
    assert.equal(2.5, l[1])
  end)

  it("is attached by name", function()
    local name = ("mplua_list_%d"):format(mp.getpid())
    local l = mp.ShareableList({ 1, "two" }, name)
    local same = mp.ShareableList(nil, name)
    same[2] = "2"
    assert.same({ "2", name, 2 }, { l[2], l.name, #same })
    l:unlink()
    l:close()
    same:close()
    assert.is_false((pcall(mp.ShareableList, nil, name)))
  end)
end)
