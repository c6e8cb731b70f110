--- manager_unused_spec.lua: a server that nobody has used, or can use, ends
-- MIT licence, see LICENSE

local helper = require "spec.helper"

helper.each_method(function(mp)
  local My = mp.BaseManager:extend "My"
  My:register("Thing", function() return setmetatable({}, {}) end)

  it("a manager that is dropped before its first call takes its server along", function()
    local first = mp.Process{ target = function() end } -- a forkserver comes with it, and stays
    first:start()
    first:join()
    local before = #helper.children()
    local function start_and_drop() assert(My{}:start()) end
    start_and_drop()
    assert.equal(before + 1, #helper.children())
    collectgarbage()
    collectgarbage()
    helper.eventually(function()
      mp.active_children() -- joins what has ended
      return #helper.children() <= before
    end)
  end)
end)
