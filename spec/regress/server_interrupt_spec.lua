--- A manager's server that gets Ctrl-C while it answers ends as it does when it is idle.
-- MIT licence, see LICENSE

local mp = require "multiprocessing"

describe("serve_forever", function()
  it("ends at an interrupt that comes while it answers", function()
    local Manager = mp.BaseManager:extend "Manager"
    Manager:register("echo", function() return { say = function(_, x) return x end } end)
    for _ = 1, 10 do
      local ready, tell = mp.Pipe(false)
      local p = mp.Process{ target = function()
        local server = Manager{ address = "127.0.0.1:0", authkey = "key" }:get_server()
        tell:send(server.address)
        server:serve_forever()
      end }
      p:start()
      local m = Manager{ address = ready:recv(), authkey = "key" }
      m:connect()
      local echo = m:echo()
      for i = 1, 20 do assert.equal(i, echo:say(i)) end
      p:interrupt() -- it has just written an answer, or still does
      assert.is_true(p:join(20))
      assert.equal(0, p.exitcode)
    end
  end)
end)
