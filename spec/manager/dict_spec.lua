--- Specs of a manager's dict, from the user's side.
-- MIT licence, see LICENSE

local helper = require "spec.helper"
local arena = require "multiprocessing.core.arena"
local core = require "multiprocessing.core.dict"
local mp = require "multiprocessing"

local error_of <const>, raises <const> = helper.error_of, helper.raises

-- a value that two tables can be compared by
local function sorted(list)
  table.sort(list)
  return list
end

describe("dict", function()
  local m = mp.Manager()

  describe("keys", function()
    it("are those of Lua's tables: 1 and 1.0 are one", function()
      local d, t = m:dict(), {}
      local keys = { 1, 1.0, -1, 0, -0.0, 1.5, "1", "", "a\0b", true, false, 2^53, 2^70, -2^70, 1/0,
        -1/0, math.mininteger, math.maxinteger, ("k"):rep(5000) }
      for i, k in ipairs(keys) do
        d[k], t[k] = i, i
      end
      for _, k in ipairs(keys) do assert.equal(t[k], d[k]) end
      assert.same(t, d:copy())
      assert.is_true(core.check(d))
      assert.equal("integer", math.type(m:dict{ [2.0] = 1 }:keys()[1]))
    end)

    it("of other types are errors at the user's line", function()
      local d = m:dict()
      for _, k in ipairs{ {}, print, coroutine.create(print), d } do
        local text = "^spec/manager/dict_spec.lua:%d+: bad key for a dict %(string, number or "
          .. "boolean expected, got " .. type(k)
        assert.matches(text, error_of(function() d[k] = 1 end))
        assert.matches(text, error_of(function() return d[k] end))
        assert.matches(text, error_of(function() d:set(k, 1) end))
        assert.matches(text, error_of(function() d:incr(k) end))
      end
      assert.matches("NaN", error_of(function() d[0/0] = 1 end))
      assert.matches("got nil", error_of(function() d[nil] = 1 end))
      assert.equal(0, #d)
    end)
  end)

  describe("values", function()
    it("are whatever can be sent, and copies", function()
      local t = { 1, { x = 2 }, s = ("s"):rep(3000) }
      local d = m:dict{ t = t, f = function(x) return x + 1 end, s = string.format }
      t[1] = 9
      d.t[2].x = 9
      assert.same({ 1, { x = 2 }, s = ("s"):rep(3000) }, d.t)
      assert.equal(3, d.f(2))
      assert.equal(string.format, d.s)
      for _, v in ipairs{ true, false, 0, 1.5, -0.0, 1/0, "", "x", ("x"):rep(1 << 20), "a\0b" } do
        d.v = v
        assert.is_true(rawequal(v, d.v))
        assert.equal(math.type(v), math.type(d.v))
      end
      d.v = 0/0
      assert.is_true(d.v ~= d.v)
    end)

    it("that cannot be sent leave the dict as it is", function()
      local d = m:dict{ a = 1 }
      local co = coroutine.create(print)
      raises("SerializationError", function() d.a = co end)
      raises("SerializationError", d.update, d, { a = 2, b = co })
      raises("SerializationError", d.setdefault, d, "b", co)
      raises("SerializationError", d.update, d, "a", function() return co end)
      assert.same({ a = 1 }, d:copy())
    end)

    it("of any size follow each other at one key", function()
      local d = m:dict()
      for _, n in ipairs{ 0, 8, 9, 128, 100, 129, 1024, 1025, 1, 100000, 7, 2000, 2001 } do
        d.x = ("y"):rep(n)
        assert.equal(n, #d.x)
        d.x = { ("y"):rep(n) }
        assert.equal(n, #d.x[1])
        assert.is_true(core.check(d))
      end
    end)
  end)

  it("is read and written like a table", function()
    local d = m:dict{ a = 1, b = 2, [3] = "c" }
    assert.equal(3, #d)
    d.b = nil
    d.none = nil
    assert.is_nil(d.b)
    assert.equal(2, #d)
    local seen = {}
    for k, v in pairs(d) do
      seen[k] = v
      d[k] = nil
      d["new" .. tostring(k)] = true
    end
    assert.same({ a = 1, [3] = "c" }, seen)
    assert.same({ newa = true, new3 = true }, d:copy())
    assert.is_nil(next(m:dict():copy()))
    for _ in pairs(m:dict()) do error "nothing is in it" end
  end)

  it("shows what it holds, in order of the keys", function()
    local d = m:dict{ b = 2, a = "q\"\n", [10] = 1.5, [2] = true, [true] = { 1, { x = 2 } },
      ["two words"] = 0, ["end"] = 1 }
    assert.equal([[{[2] = true, [10] = 1.5, a = "q\"\n", b = 2, ["end"] = 1, ["two words"] = 0, ]]
      .. "[true] = {1, {x = 2}}}", tostring(d))
    assert.equal('{[1] = "a", [2] = "b"}', tostring(m:dict{ "a", "b" }))
    assert.equal("{}", tostring(m:dict()))
    d:clear()
    d.list, d.self = m:list{ 1, "x" }, d
    assert.equal([[{list = {1, "x"}, self = {...}}]], tostring(d))
    d:clear()
  end)

  it("keeps its methods' names for the methods", function()
    local d = m:dict()
    for _, name in ipairs{ "get", "set", "pop", "setdefault", "update", "incr", "has", "keys",
      "values", "items", "copy", "clear" } do
      assert.equal("function", type(d[name]))
      local e = error_of(function() d[name] = 1 end)
      assert.matches(('d:set("%s", value)'):format(name), e, 1, true)
      assert.matches("^spec/manager/dict_spec.lua:%d+: ", e)
      d:set(name, 5)
      assert.equal(5, d:get(name))
      assert.equal("function", type(d[name]))
    end
    assert.equal(12, #d)
  end)

  it("has methods as documented", function()
    local d = m:dict{ a = 1 }
    assert.equal(1, d:get "a")
    assert.is_nil(d:get "z")
    assert.equal("default", d:get("z", "default"))
    assert.is_true(d:has "a")
    assert.is_false(d:has "z")
    d:set("f", false)
    assert.is_false(d:get("f", true))
    assert.is_true(d:has "f")
    assert.equal(1, d:pop "a")
    assert.equal("none", d:pop("a", "none"))
    assert.is_nil(d:pop("a", nil))
    assert.matches("no key a", error_of(d.pop, d, "a"))
    assert.equal(7, d:setdefault("s", 7))
    assert.equal(7, d:setdefault("s", 8))
    assert.same({ 1 }, d:setdefault("t", { 1 }))
    assert.same({ "f", "s", "t" }, sorted(d:keys()))
    assert.equal(3, #d:values())
    local items = {}
    for _, item in ipairs(d:items()) do items[item[1]] = item[2] end
    assert.same({ f = false, s = 7, t = { 1 } }, items)
    d:clear()
    assert.equal(0, #d)
    assert.matches("value expected", error_of(d.set, d, "k"))
  end)

  it(":incr() adds as Lua does", function()
    local d = m:dict{ f = 0.5, s = "5", max = math.maxinteger }
    assert.equal(1, d:incr "n")
    assert.equal(6, d:incr("n", 5))
    assert.equal(4.5, d:incr("n", -1.5))
    assert.equal(1.5, d:incr "f")
    assert.equal(math.mininteger, d:incr "max")
    assert.equal(0.25, d:incr("new", 0.25))
    assert.matches("no number", error_of(d.incr, d, "s"))
    assert.matches("number expected", error_of(d.incr, d, "n", "1"))
    assert.equal("5", d.s)
  end)

  describe(":update()", function()
    it("takes over tables and dicts, in one step", function()
      local d = m:dict{ a = 1, b = 2 }
      d:update{ b = 3, c = { 4 } }
      assert.same({ a = 1, b = 3, c = { 4 } }, d:copy())
      d:update(m:dict{ a = 9, [5] = 6 })
      assert.same({ a = 9, b = 3, c = { 4 }, [5] = 6 }, d:copy())
      local many = {}
      for i = 1, 1000 do many[i] = i end
      d:update(many)
      assert.equal(1003, #d)
      d:update(d)
      d:update{}
      assert.equal(1003, #d)
      assert.is_true(core.check(d))
      assert.matches("bad key", error_of(d.update, d, { [{}] = 1 }))
      assert.matches("wrong number of arguments", error_of(d.update, d, {}, print))
    end)

    it("runs a function under the lock, which may use the dict", function()
      local d = m:dict{ n = 20 }
      assert.equal(42, d:update("n", function(n)
        d.seen = n
        d:update("inner", function() return d:incr "deep" end)
        return n * 2 + 2
      end))
      assert.same({ n = 42, seen = 20, inner = 1, deep = 1 }, d:copy())
      assert.is_nil(d:update("n", function() return nil end))
      assert.is_false(d:has "n")
      assert.is_nil(d:update("n", function(old) assert(old == nil) end))
      assert.equal("called", d:update("c", setmetatable({}, { __call = function()
        return "called"
      end })))
    end)

    it("leaves value and lock alone when the function raises", function()
      local d = m:dict{ n = 1 }
      assert.matches("boom", error_of(d.update, d, "n", function() error "boom" end))
      local e = { 1 }
      assert.equal(e, error_of(d.update, d, "n", function() error(e) end))
      assert.matches("function expected", error_of(d.update, d, "n", 5))
      local p = mp.Process{ target = function() d.other = d.n end }
      p:start()
      assert.is_true(p:join(20))
      assert.same({ n = 1, other = 1 }, d:copy())
    end)
  end)

  it("holds other shared objects, to any depth", function()
    local d = m:dict()
    local deepest = d
    for _ = 1, 50 do
      deepest.next = m:dict()
      deepest = deepest.next
    end
    deepest.end_of_it = m:list{ m:Namespace{ q = m:Queue(), lock = m:Lock(), v = m:Value("i", 5) } }
    local e = d
    for _ = 1, 50 do e = e.next end
    assert.is_true(e == deepest)
    local ns = e.end_of_it[1]
    ns.q:put "through"
    assert.equal("through", ns.q:get())
    assert.equal(5, ns.v.value)
    assert.is_true(ns.lock:acquire())
    d.t = { { d.next, n = 1 } }
    assert.is_true(d.t[1][1] == d.next)
  end)

  it("gives its memory back", function()
    helper.leaks_nothing(function()
      local d = m:dict()
      local before = helper.arena_bytes()
      for i = 1, 20000 do d[i] = i % 100 == 0 and { ("x"):rep(2000), m:list() } or i end
      for i = 1, 20000 do d[i] = nil end
      collectgarbage()
      assert.is_true(helper.arena_bytes() - before < 2048)
      for i = 1, 2000 do d[i] = { m:dict{ x = { ("x"):rep(2000) } } } end
      d:clear()
      collectgarbage()
      assert.is_true(helper.arena_bytes() - before < 2048)
      d.last = { d2 = m:dict() }
    end)
  end)

  it("is collected with what it holds, though few bytes of it are Lua's", function()
    local before, most = helper.arena_bytes(), 0
    for _ = 1, 60 do
      local d = m:dict()
      for i = 1, 20000 do d[i] = i end
      most = math.max(most, arena.stats().used - before)
    end
    collectgarbage()
    assert.is_true(most < 60 << 20) -- all of them have 72 MB
  end)

  helper.each_method(function(ctx)
    local start = helper.starter(ctx)

    it("counts right whoever writes", function()
      helper.leaks_nothing(function()
        local d = ctx.Manager():dict()
        local ps = {}
        for i = 1, 3 do
          ps[i] = start(function(who)
            for n = 1, 300 do
              d:incr "hits"
              d:update("sum", function(s) return (s or 0) + n end)
              d[who .. ":" .. n] = { n }
            end
          end, i)
        end
        for _, p in ipairs(ps) do assert.is_true(p:join(60)) end
        assert.equal(900, d.hits)
        assert.equal(3 * 300 * 301 // 2, d.sum)
        assert.equal(902, #d)
        assert.is_true(core.check(d))
      end)
    end)

    it("is reached by what is nested in it", function()
      local m2 = ctx.Manager()
      local d = m2:dict{ inner = m2:dict(), log = m2:list() }
      local p = start(function()
        d.inner.x = { 1 }
        d.log:append(d.inner)
        d.back = m2:dict{ from = "child" }
        d.f = function() return "function of the child" end
      end)
      assert.is_true(p:join(20))
      assert.same({ 1 }, d.log[1].x)
      assert.equal("child", d.back.from)
      assert.equal("function of the child", d.f())
    end)

    it("is left whole by one who is killed in update(k, f)", function()
      local d, inside = ctx.Manager():dict{ n = 1 }, ctx.Event()
      local p = start(function()
        d:update("n", function()
          inside:set()
          ctx.sleep(1000)
        end)
      end)
      assert.is_true(inside:wait(20))
      assert.equal(1, d.n) -- readers do not wait
      local waiter = start(function() d.waiter = d:incr "n" end)
      p:kill()
      p:join()
      local seconds = helper.timed(function() d.after = true end)
      helper.between(0, seconds, 5)
      assert.is_true(waiter:join(20))
      assert.same({ n = 2, waiter = 2, after = true }, d:copy())
    end)
  end)

  it("excludes others' changes while a function runs", function()
    local d, inside, go = m:dict{ n = 1 }, mp.Event(), mp.Event()
    local p = mp.Process{ target = function()
      d:update("n", function(n)
        inside:set()
        go:wait(20)
        return n * 10
      end)
    end }
    p:start()
    assert.is_true(inside:wait(20))
    local q = mp.Process{ target = function()
      inside:clear()
      d.n = 5
    end }
    q:start()
    helper.eventually(function() return not inside:is_set() end)
    assert.equal(1, d.n)
    go:set()
    assert.is_true(p:join(20) and q:join(20))
    assert.equal(5, d.n)
  end)

  it("reaches pool workers that run already", function()
    local pool <close> = mp.Pool(2)
    pool:map(function(x) return x end, { 1, 2, 3 })
    local d = m:dict()
    pool:map(function(i) d[i] = i * i end, helper.numbers(100))
    assert.equal(100, #d)
    assert.equal(81, d[9])
  end)
end)
