--- list_corners_spec.lua: a manager's list at the edges of its methods
-- MIT licence, see LICENSE

local mp = require "multiprocessing"

describe("a manager's list", function()
  local manager, list

  before_each(function()
    manager = mp.Manager()
    list = manager:list { 3, 1, 2 }
  end)

  after_each(function() manager:shutdown() end)

  it("has no element 0 to pop", function()
    local ok, e = pcall(function() return (list:pop(0)) end)
    assert.is_false(ok)
    assert.truthy(e:find("bad argument #1 to 'pop' (position out of bounds)", 1, true))
    assert.equal(3, #list)
    assert.equal(2, list:pop())
  end)

  it("shows equal tables within one another in full", function()
    local Money = { __eq = function() return true end }
    local inner = setmetatable({ 1 }, Money)
    list:append(setmetatable({ inner }, Money))
    assert.equal("{3, 1, 2, {{1}}}", tostring(list))
  end)

  it("says at the user's line what cannot be sorted", function()
    local ok, e = pcall(function() list:sort(function() list:append(1) return true end) end)
    assert.is_false(ok)
    assert.truthy(e:find("list_corners_spec.lua:%d+: the list was changed while it was sorted"))
    list:append "x"
    ok, e = pcall(function() list:sort() end)
    assert.is_false(ok)
    assert.truthy(e:find("list_corners_spec.lua:%d+: attempt to compare"))
  end)
end)
