--- forkserver_zombie_spec.lua: a forkserver that dies just before a request is no zombie for long
-- MIT licence, see LICENSE

local helper = require "spec.helper"
local mp = require "multiprocessing"

it("a forkserver that is killed just before a start leaves no zombie", function()
  local ctx = mp.get_context "forkserver"
  local function run_one()
    local p = ctx.Process{ target = function() end }
    p:start()
    assert.is_true(p:join(20))
  end
  local known = {}
  for _, pid in ipairs(helper.children()) do known[pid] = true end
  run_one()
  for _ = 1, 20 do
    for _, pid in ipairs(helper.children()) do
      if not known[pid] then mp.kill(pid, "SIGKILL") end
    end
    run_one()
    local count = #helper.children()
    for _ in pairs(known) do count = count - 1 end
    assert.equal(1, count)
  end
end)
