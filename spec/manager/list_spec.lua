--- Specs of a manager's list, from the user's side.
-- MIT licence, see LICENSE

local helper = require "spec.helper"
local core = require "multiprocessing.core.list"
local mp = require "multiprocessing"

local error_of <const>, raises <const> = helper.error_of, helper.raises

describe("list", function()
  local m = mp.Manager()

  it("is read and written like a table", function()
    local l = m:list{ 1, "two", { 3 } }
    assert.equal(3, #l)
    assert.same({ 1, "two", { 3 } }, { l[1], l[2.0], l[3] })
    for _, i in ipairs{ 0, -1, 4, 100, math.maxinteger, math.mininteger } do assert.is_nil(l[i]) end
    assert.is_nil(l.nothing)
    l[1], l[3] = false, 3.5
    l[#l + 1] = "four"
    assert.same({ false, "two", 3.5, "four" }, l:copy())
    l[#l] = nil
    assert.same({ false, "two", 3.5 }, l:copy())
    local seen = {}
    for i, v in ipairs(l) do seen[i] = v end
    assert.same({ false, "two", 3.5 }, seen)
    for i, v in pairs(l) do
      seen[i] = v
      l:pop()
    end
    assert.same({ false, "two", 3.5 }, seen)
    assert.equal(0, #l)
    assert.equal("{}", tostring(l))
    assert.equal('{1, "x", {a = {2}}}', tostring(m:list{ 1, "x", { a = m:list{ 2 } } }))
  end)

  it("raises at the user's line for writes outside and for nil", function()
    local l = m:list{ 1, 2, 3 }
    for _, i in ipairs{ 0, -1, 5, 1000 } do
      local e = error_of(function() l[i] = 1 end)
      assert.matches("^spec/manager/list_spec.lua:%d+: ", e)
      assert.matches(("index %d is outside the list"):format(i), e, 1, true)
    end
    assert.matches("^spec/manager/list_spec.lua:%d+: bad index", error_of(function()
      l.x = 1
    end))
    assert.matches("bad index", error_of(function() l[1.5] = 1 end))
    assert.matches("method of list", error_of(function() l.append = 1 end))
    assert.matches("no holes", error_of(function() l[1] = nil end))
    assert.matches("nil", error_of(l.append, l, nil))
    assert.matches("nil", error_of(l.insert, l, 1, nil))
    assert.matches("value expected", error_of(function() l:append() end))
    raises("SerializationError", l.append, l, coroutine.create(print))
    raises("SerializationError", l.extend, l, { 1, coroutine.create(print) })
    assert.same({ 1, 2, 3 }, l:copy())
  end)

  it("takes and gives elements anywhere", function()
    local l, t = m:list(), {}
    math.randomseed(os.time())
    for n = 1, 3000 do
      local i = math.random(#t + 1)
      if math.random(100) <= 55 then
        local v = n % 3 == 0 and ("s"):rep(n) or n % 7 == 0 and { n } or n
        l:insert(i, v)
        table.insert(t, i, v)
      elseif i <= #t then
        assert.same(table.remove(t, i), l:pop(i))
      end
    end
    assert.same(t, l:copy())
    assert.is_true(core.check(l))
    assert.same(table.remove(t), l:pop())
    l:reverse()
    assert.same(t[#t], l[1])
    l:clear()
    assert.equal(0, #l)
    assert.matches("empty list", error_of(l.pop, l))
    assert.matches("out of bounds", error_of(l.pop, l, 1))
    assert.matches("out of bounds", error_of(l.insert, l, 2, "x"))
    assert.matches("out of bounds", error_of(l.insert, l, 0, "x"))
  end)

  it("is extended in one step", function()
    local l = m:list{ 1 }
    l:extend{ 2, { 3 } }
    l:extend(m:list{ 4 })
    l:extend(l)
    l:extend{}
    assert.same({ 1, 2, { 3 }, 4, 1, 2, { 3 }, 4 }, l:copy())
    assert.matches("table expected", error_of(l.extend, l, 5))
    assert.same({ 1, 2 }, m:list(m:list{ 1, 2 }):copy())
  end)

  it("is sliced as string.sub cuts", function()
    local l, s = m:list{ "a", "b", "c", "d", "e" }, "abcde"
    for i = -7, 7 do
      for j = -7, 7 do assert.equal(s:sub(i, j), table.concat(l:slice(i, j))) end
      assert.equal(s:sub(i), table.concat(l:slice(i)))
    end
    assert.equal(s, table.concat(l:slice()))
  end)

  it("compares by value", function()
    local inner = m:dict()
    local class = setmetatable({}, { __eq = function() return true end })
    local l = m:list{ 1, 2.0, "3", true, { 1, { x = "y" } }, inner, ("z"):rep(3000), false }
    assert.equal(1, l:index(1.0))
    assert.equal(2, l:index(2))
    assert.equal(3, l:index "3")
    assert.is_nil(l:index(3))
    assert.equal(5, l:index{ 1, { x = "y" } })
    assert.is_nil(l:index{ 1, { x = "z" } })
    assert.is_nil(l:index{ 1 })
    assert.equal(6, l:index(inner))
    assert.is_nil(l:index(m:dict()))
    assert.equal(7, l:index(("z"):rep(3000)))
    assert.equal(8, l:index(false))
    assert.equal(5, l:index(class))
    l:extend{ 1, { 1, { x = "y" } }, 1.0 }
    assert.equal(3, l:count(1))
    assert.equal(2, l:count{ 1, { x = "y" } })
    assert.equal(0, l:count "none")
    l:remove(1)
    l:remove{ 1, { x = "y" } }
    l:remove(inner)
    assert.same({ 2.0, "3", true, ("z"):rep(3000), false, 1, { 1, { x = "y" } }, 1.0 }, l:copy())
    local e = error_of(l.remove, l, "none")
    assert.matches("no such value", e)
    assert.matches("no such value", error_of(l.remove, l, {}))
    local a, b = { 1 }, { 1 }
    a.self, b.self = a, b
    l:append(a)
    assert.equal(#l, l:index(b))
  end)

  it("is sorted in place, and equal ones keep their order", function()
    local l = m:list{ 3, 1, 2.5, -1 }
    l:sort()
    assert.same({ -1, 1, 2.5, 3 }, l:copy())
    l:sort(function(a, b) return a > b end)
    assert.same({ 3, 2.5, 1, -1 }, l:copy())
    local pairs_of = {}
    for i = 1, 500 do pairs_of[i] = { key = i * 7 % 13, i = i } end
    l = m:list(pairs_of)
    l:sort(function(a, b) return a.key < b.key end)
    local t = l:copy()
    for i = 2, 500 do
      assert.is_true(t[i - 1].key < t[i].key or t[i - 1].key == t[i].key and t[i - 1].i < t[i].i)
    end
    m:list():sort()
  end)

  it("is as it was when sorting fails", function()
    local l = m:list{ 3, "x", 1 }
    assert.matches("attempt to compare", error_of(l.sort, l))
    assert.matches("boom", error_of(l.sort, l, function() error "boom" end))
    assert.matches("function expected", error_of(l.sort, l, 5))
    assert.matches("changed while it was sorted", error_of(l.sort, l, function()
      l:append(1)
      return false
    end))
    l:sort(function() return true end) -- no order, but no harm
    assert.equal(1, l:count "x")
    local p = mp.Process{ target = function() l:append "from another" end }
    p:start()
    assert.is_true(p:join(20)) -- the lock is free
    assert.equal("from another", l:pop())
  end)

  it("gives its memory back", function()
    helper.leaks_nothing(function()
      local l = m:list()
      local before = helper.arena_bytes()
      for i = 1, 5000 do l:append(i % 50 == 0 and { ("x"):rep(2000), m:list() } or { i }) end
      while #l > 2500 do l:pop() end
      while #l > 0 do l:pop(1) end
      collectgarbage()
      assert.is_true(helper.arena_bytes() - before < 2048)
      for _ = 1, 500 do l:append{ m:dict{ x = ("x"):rep(2000) } } end
      l:clear()
      collectgarbage()
      assert.is_true(helper.arena_bytes() - before < 2048)
      l:append(m:list())
    end)
  end)

  helper.each_method(function(ctx)
    local start = helper.starter(ctx)

    it("loses nothing and doubles nothing", function()
      helper.leaks_nothing(function()
        local m2 = ctx.Manager()
        local todo, done = m2:list(helper.numbers(600)), m2:list()
        local ps = {}
        for i = 1, 3 do
          ps[i] = start(function()
            while true do
              local ok, v = pcall(todo.pop, todo, 1)
              if not ok then return end
              done:append(v)
            end
          end)
        end
        for _, p in ipairs(ps) do assert.is_true(p:join(60)) end
        done:sort()
        assert.same(helper.numbers(600), done:copy())
        assert.is_true(core.check(done))
      end)
    end)

    it("is left whole by one who is killed in sort(f)", function()
      local l, inside = ctx.Manager():list{ 3, 2, 1 }, ctx.Event()
      local p = start(function()
        l:sort(function()
          inside:set()
          ctx.sleep(1000)
        end)
      end)
      assert.is_true(inside:wait(20))
      assert.same({ 3, 2, 1 }, l:copy())
      p:kill()
      p:join()
      helper.between(0, helper.timed(function() l:append(0) end), 5)
      assert.same({ 3, 2, 1, 0 }, l:copy())
    end)
  end)
end)
