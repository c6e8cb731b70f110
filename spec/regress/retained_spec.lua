--- retained_spec.lua: what could not be started or sent is not kept alive
-- MIT licence, see LICENSE

local helper = require "spec.helper"
local mp = require "multiprocessing"

describe("what failed is not kept alive:", function()
  it("the arguments of a process that could not be forked", function()
    local output, status = helper.run([[
      local mp = require "multiprocessing"
      local arena = require "multiprocessing.core.arena"
      local function used()
        collectgarbage()
        collectgarbage()
        return arena.stats().used
      end
      local p = mp.Process{ target = function() end, args = { mp.Queue() } }
      local files = {}
      repeat files[#files + 1] = io.open("/dev/null") until #files > 50 or not io.open("/dev/null")
      local ok = pcall(p.start, p)
      for _, file in ipairs(files) do file:close() end
      p = nil
      print(ok, used())]], { setup = "ulimit -n 24" })
    assert.equal("false\t0\n", output)
    assert.equal(0, status)
  end)

  it("what stood in a message that could not be sent", function()
    local q = mp.Queue()
    local function fail_to_send()
      local inside = mp.Queue()
      local message = { function() return inside end, ("x"):rep(100), coroutine.create(print) }
      assert.is_false(pcall(q.put, q, message))
    end
    local function used()
      collectgarbage()
      collectgarbage()
      return helper.arena_bytes()
    end
    q:put{ function() return q end }
    q:get()
    local before = used()
    fail_to_send()
    assert.equal(before, used())
  end)
end)
