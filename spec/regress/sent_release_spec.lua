--- sent_release_spec.lua: what was sent is not kept alive until the next message
-- MIT licence, see LICENSE

local helper = require "spec.helper"
local mp = require "multiprocessing"
local arena = require "multiprocessing.core.arena"

local function used()
  collectgarbage()
  collectgarbage()
  return arena.stats().used
end

describe("after a message with much in it", function()
  helper.each_method(function(ctx)
    it("its objects can be collected", function()
      local before = used()
      local locks = {}
      for i = 1, 20000 do locks[i] = mp.Lock() end
      local p = ctx.Process { target = function(list) return #list end, args = { locks } }
      p:start()
      p:join()
      locks, p = nil, nil -- luacheck: ignore 311
      assert.equal(before, used())
    end)
  end)
end)
