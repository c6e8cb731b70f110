--- Specs of imap and imap_unordered; under every start method.

local helper = require "spec.helper"
local mp = require "multiprocessing"

local numbers <const> = helper.numbers

helper.each_method(function(ctx)
  local function square(x) return x * x end

  describe("imap", function()
    local pool

    setup(function() pool = ctx.Pool(2) end)
    teardown(function()
      pool:close()
      assert.is_true(pool:join(20))
    end)

    it("gives index and result in order", function()
      for _, chunk in ipairs { 1, 3, 1000 } do
        local n = 0
        for i, r in pool:imap(square, numbers(100), chunk) do
          n = n + 1
          assert.equal(n, i)
          assert.equal(i * i, r)
        end
        assert.equal(100, n)
      end
    end)

    it("goes on after a nil result", function()
      local seen = {}
      for i, r in pool:imap(function(x) if x % 2 == 0 then return x end end, numbers(5)) do
        seen[#seen + 1] = tostring(i) .. "=" .. tostring(r)
      end
      assert.equal("1=nil 2=2 3=nil 4=4 5=nil", table.concat(seen, " "))
    end)

    it("of nothing ends at once", function()
      for _ in pool:imap(square, {}) do error "no" end
      for _ in pool:imap(square, function() end) do error "no" end
    end)

    it("is the iterator's next, too", function()
      local it = pool:imap(square, { 3, 4 })
      assert.same({ 1, 9 }, { it:next() })
      assert.same({ 2, 16 }, { it:next(5) })
      assert.is_nil(it:next())
      assert.is_nil(it:next())
      local gate = ctx.Queue()
      it = pool:imap(function() return gate:get() end, { 1 })
      assert.is_true(mp.iserror(select(2, pcall(it.next, it, 0.02)), "TimeoutError"))
      gate:put "x"
      assert.same({ 1, "x" }, { it:next(10) })
      gate:close()
    end)

    it("raises an item's error at its turn and goes on", function()
      local it = pool:imap(function(x)
        if x == 2 then error("two", 0) end
        if x == 3 then os.exit(1) end
        return x
      end, numbers(4))
      assert.same({ 1, 1 }, { it:next() })
      local ok, e = pcall(it.next, it)
      assert.is_false(ok)
      assert.equal("two", e.value)
      ok, e = pcall(it.next, it)
      assert.is_false(ok)
      assert.is_true(mp.iserror(e, "WorkerLostError"))
      assert.equal(3, e.item)
      assert.same({ 4, 4 }, { it:next() })
      assert.is_nil(it:next())
    end)

    it("fails an item that cannot be sent, and that alone", function()
      for _, chunk in ipairs { 1, 2 } do
        local it = pool:imap(type, { 1, coroutine.create(print), "x" }, chunk)
        assert.same({ 1, "number" }, { it:next() })
        assert.is_true(mp.iserror(select(2, pcall(it.next, it)), "SerializationError"))
        assert.same({ 3, "string" }, { it:next() })
        assert.is_nil(it:next())
      end
    end)

    it("draws at most 4 x workers x chunksize items ahead", function()
      for _, chunk in ipairs { 1, 5 } do
        local drawn, taken, most = 0, 0, 0
        for _ in pool:imap(square, function()
          if drawn == 200 then return nil end
          drawn = drawn + 1
          most = math.max(most, drawn - taken)
          return drawn
        end, chunk) do
          taken = taken + 1
        end
        assert.equal(200, taken)
        assert.is_true(most <= 4 * 2 * chunk)
      end
    end)

    it("runs an endless source in bounded memory", function()
      local i, sum = 0, 0
      for n, r in pool:imap(function(x) return x end, function()
        i = i + 1
        return i
      end, 100) do
        sum = sum + r
        if n == 20000 then break end
      end
      assert.equal(200010000, sum)
      assert.is_true(i <= 20000 + 800)
    end)

    it("gives what comes before a source's error, then that error", function()
      local i = 0
      local got = {}
      local ok, e = pcall(function()
        for _, r in pool:imap(square, function()
          i = i + 1
          if i == 4 then error("dry", 0) end
          return i
        end) do got[#got + 1] = r end
      end)
      assert.is_false(ok)
      assert.equal("dry", e)
      assert.same({ 1, 4, 9 }, got)
    end)

    it("that is left cancels the rest", function()
      local count = ctx.Value("i", 0)
      for i in pool:imap(function() count:add(1) end, numbers(1000)) do
        if i == 3 then break end
      end
      assert.equal(4, pool:apply(square, { 2 }))
      mp.sleep(0.02)
      local n = count.value
      assert.is_true(n <= 12)
      mp.sleep(0.05)
      assert.equal(n, count.value)
    end)

    it("is finished by close and join, whoever takes the results", function()
      local p = ctx.Pool(2)
      local it = p:imap(square, numbers(50))
      p:close()
      assert.is_true(p:join(20))
      local n = 0
      for i, r in it do
        n = n + 1
        assert.equal(i * i, r)
      end
      assert.equal(50, n)
    end)

    it("may be nested", function()
      local sum = 0
      for _, x in pool:imap(square, numbers(5)) do
        for _, y in pool:imap(square, numbers(5)) do sum = sum + x * y end
      end
      assert.equal(55 * 55, sum)
    end)
  end)

  describe("imap_unordered", function()
    it("gives each item once, as they come", function()
      local pool <close> = ctx.Pool(2)
      for _, chunk in ipairs { 1, 7 } do
        local seen = {}
        for i, r in pool:imap_unordered(square, numbers(500), chunk) do
          assert.is_nil(seen[i])
          seen[i] = r
        end
        for i = 1, 500 do assert.equal(i * i, seen[i]) end
      end
    end)

    it("does not wait for slow items", function()
      local pool <close> = ctx.Pool(2)
      local gate = ctx.Queue()
      local order = {}
      for i in pool:imap_unordered(function(x) if x == 1 then gate:get() end return x end,
        numbers(4)) do
        order[#order + 1] = i
        if #order == 3 then gate:put(1) end
      end
      assert.equal(1, order[4])
      gate:close()
    end)
  end)
end)
