--- Specs of Manager: what it makes, its end.
-- MIT licence, see LICENSE

local helper = require "spec.helper"
local mp = require "multiprocessing"

local error_of <const>, raises <const> = helper.error_of, helper.raises

local own <const> = {
  Queue = { 3 }, JoinableQueue = {}, Lock = {}, RLock = {}, Semaphore = { 2 },
  BoundedSemaphore = { 2 }, Event = {}, Condition = {}, Barrier = { 2 }, Value = { "i", 7 },
  Array = { "d", { 1, 2 } }, Pool = { 1 },
}

describe("Manager", function()
  it("makes the library's own objects", function()
    local m <close> = mp.Manager()
    for name, args in pairs(own) do
      local object, other = m[name](m, table.unpack(args)), mp[name](table.unpack(args))
      assert.equal(getmetatable(other), getmetatable(object), name)
      if name == "Pool" then
        assert.same({ 1, 4 }, { table.unpack(object:map(function(x) return x * x end, { 1, 2 })) })
        object:terminate()
        other:terminate()
      end
    end
    assert.equal(7, m:Value{ typecode = "i", value = 7 }.value)
    assert.matches("unknown option 'size' to 'Queue'", error_of(m.Queue, m, { size = 1 }), 1, true)
  end)

  it("is called with a colon, and takes no options", function()
    local m = mp.Manager()
    for _, name in ipairs{ "dict", "list", "Namespace", "Queue", "Pool", "shutdown" } do
      assert.matches("^spec/manager/manager_spec.lua:%d+: bad argument #1 to '" .. name
        .. "' %(multiprocessing.Manager expected; call it with a colon%)",
        error_of(function() m[name]{ 1 } end))
    end
    assert.matches("unknown option 'x' to 'Manager'", error_of(mp.Manager, { x = 1 }), 1, true)
    for _, name in ipairs{ "dict", "list" } do
      assert.matches("^spec/manager/manager_spec.lua:%d+: bad argument #1 to '" .. name
        .. "' %(table expected, got integer", error_of(function() m[name](m, 5) end))
    end
    local here = "^spec/manager/manager_spec.lua:%d+: "
    assert.matches(here .. "bad key", error_of(function() m:dict{ [{}] = 1 } end))
    assert.matches(here .. "bad name", error_of(function() m:Namespace{ 1 } end))
    assert.matches(here .. "a list cannot hold nil", error_of(function() m:list{ 1, nil, 3 } end))
    assert.matches(here .. ".*a sequence expected", error_of(function() m:list{ a = 1 } end))
  end)

  it("makes nothing after shutdown; what it made goes on", function()
    local m = mp.Manager()
    local d, l = m:dict{ a = 1 }, m:list{ 1 }
    m:shutdown()
    m:shutdown()
    for name in pairs(own) do raises("ClosedError", m[name], m) end
    for _, name in ipairs{ "dict", "list", "Namespace" } do raises("ClosedError", m[name], m) end
    d.b = l
    d.b:append(2)
    assert.equal(2, l[2])
    assert.equal("Manager (shut down)", tostring(m))
    local other
    do
      local with <close> = mp.Manager()
      other = with
      with:dict()
    end
    raises("ClosedError", other.dict, other)
  end)

  helper.each_method(function(ctx, method)
    it("works in children, and is shut down for all of them", function()
      helper.leaks_nothing(function()
        local m = ctx.Manager()
        local d = m:dict()
        local p = helper.starter(ctx)(function()
          d.made = m:list{ "in the child" }
          d.queue = m:Queue()
          d.queue:put(ctx.get_start_method())
          m:shutdown()
        end)
        assert.is_true(p:join(20))
        assert.equal("in the child", d.made[1])
        assert.equal(method, d.queue:get())
        raises("ClosedError", m.dict, m)
      end)
    end)

    it("fills a dict from five processes", function()
      local m <close> = ctx.Manager()
      local d, l, ps = m:dict(), m:list(helper.numbers(5)), {}
      for i = 1, 5 do
        ps[i] = helper.starter(ctx)(function(key)
          d[key] = tostring(key)
          d[key + 0.5] = key
          l[key] = -key
        end, i)
      end
      for _, p in ipairs(ps) do assert.is_true(p:join(30)) end
      assert.equal(10, #d)
      assert.equal("{-1, -2, -3, -4, -5}", tostring(l))
    end)
  end)
end)
