--- Specs of a manager's Namespace, from the user's side.
-- MIT licence, see LICENSE

local helper = require "spec.helper"
local mp = require "multiprocessing"

local error_of <const>, raises <const> = helper.error_of, helper.raises

describe("Namespace", function()
  local m = mp.Manager()

  it("holds values under any name", function()
    local ns = m:Namespace{ x = 1 }
    ns.y, ns.get, ns.update, ns._z = { 2 }, 3, "four", false
    assert.equal(1, ns.x)
    assert.same({ 2 }, ns.y)
    assert.equal(3, ns.get)
    assert.is_nil(ns.missing)
    assert.equal('Namespace(_z = false, get = 3, update = "four", x = 1, y = {2})', tostring(ns))
    ns.get, ns.update, ns.y, ns._z = nil, nil, nil, nil
    local seen = {}
    for k, v in pairs(ns) do seen[k] = v end
    assert.same({ x = 1 }, seen)
    assert.equal("Namespace()", tostring(m:Namespace()))
    assert.equal(1, m:Namespace(ns).x)
    assert.equal(1, m:dict(ns).x)
    local d = m:dict()
    d:update(ns)
    assert.same({ x = 1 }, d:copy())
  end)

  it("wants names, and values that can be sent", function()
    local ns = m:Namespace()
    for _, k in ipairs{ 1, true, {} } do
      assert.matches("^spec/manager/namespace_spec.lua:%d+: bad name", error_of(function()
        ns[k] = 1
      end))
    end
    assert.matches("bad name", error_of(m.Namespace, m, { 1 }))
    assert.matches("bad argument #1 to 'Namespace' %(table expected", error_of(m.Namespace, m, 5))
    raises("SerializationError", function() ns.x = coroutine.create(print) end)
  end)

  helper.each_method(function(ctx)
    it("is one for all processes", function()
      helper.leaks_nothing(function()
        local m2 = ctx.Manager()
        local ns = m2:Namespace{ list = m2:list() }
        local p = helper.starter(ctx)(function()
          ns.x = "from the child"
          ns.list:append(1)
          ns.other = m2:Namespace{ deep = true }
        end)
        assert.is_true(p:join(20))
        assert.equal("from the child", ns.x)
        assert.equal(1, ns.list[1])
        assert.is_true(ns.other.deep)
      end)
    end)
  end)
end)
