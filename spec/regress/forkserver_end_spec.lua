--- forkserver_end_spec.lua: the forkserver outlives the children whose end it reports
-- MIT licence, see LICENSE

local helper = require "spec.helper"

local DAEMONS <const> = [[
local mp = require "multiprocessing"
mp.set_start_method "forkserver"
for _ = 1, 5 do
  mp.Process { target = mp.sleep, args = { 60 }, daemon = true }:start()
end
mp.sleep(0.2)
]]

describe("the end of a process with a forkserver", function()
  it("does not wait for its daemons' statuses", function()
    local output, status, seconds = helper.run(DAEMONS)
    assert.equal("", output)
    assert.equal(0, status)
    assert.is_true(seconds < 0.9, ("took %.2f s"):format(seconds))
  end)

  it("leaves no server behind", function()
    local output = helper.run(DAEMONS .. [[
      local file = io.open(("/proc/%d/task/%d/children"):format(mp.getpid(), mp.getpid()))
      io.write(file:read "a")
    ]])
    local pids = 0
    for pid in output:gmatch "%d+" do
      pids = pids + 1
      assert.is_nil(io.open("/proc/" .. pid .. "/exe"))
    end
    assert.equal(1, pids) -- the server: the daemons are its children
  end)
end)
