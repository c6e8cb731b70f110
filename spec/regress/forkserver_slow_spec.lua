--- forkserver_slow_spec.lua: a forkserver that takes its time to load its modules
-- MIT licence, see LICENSE

local helper = require "spec.helper"

local SLOW <const> = [[
local mp = require "multiprocessing"
mp.set_start_method "forkserver"
local name = os.tmpname()
local file = io.open(name, "w")
file:write("require('multiprocessing').sleep(%g)")
file:close()
package.path = "/tmp/?;" .. package.path
mp.set_forkserver_preload { name:match "[^/]*$" }
local p = mp.Process { target = os.exit, args = { 7 } }
local me = mp.getpid()
local alarm <const> = mp.get_context "spawn".Process {
  target = function() mp.sleep(0.5) mp.kill(me, "SIGINT") end,
}
alarm:start()
local start = mp.now()
local ok, message = pcall(p.start, p)
local seconds = mp.now() - start
alarm:join()
os.remove(name)
mp.set_forkserver_preload {}
]]

describe("a forkserver that loads for long", function()
  it("does not hold up an interrupt", function()
    local output, status = helper.run(SLOW:format(8) .. [[
      print(ok, message:match "interrupted!", seconds < 4)
      p:start()
      p:join()
      print(p.exitcode, #mp.active_children())
    ]])
    assert.equal("false\tinterrupted!\ttrue\n7\t0\n", output)
    assert.equal(0, status)
  end)
end)
