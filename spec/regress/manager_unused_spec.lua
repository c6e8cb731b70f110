--- manager_unused_spec.lua: a server that nobody has used, or can use, ends
-- MIT licence, see LICENSE

local helper = require "spec.helper"

helper.each_method(function(mp)
  local My = mp.BaseManager:extend "My"
  My:register("Thing", function() return setmetatable({}, {}) end)

  it("a manager that is dropped before its first call takes its server along", function()
    local before = #mp.active_children()
    local function start_and_drop() assert(My{}:start()) end
    start_and_drop()
    assert.equal(before + 1, #mp.active_children())
    collectgarbage()
    collectgarbage()
    helper.eventually(function() return #mp.active_children() == before end)
  end)
end)
