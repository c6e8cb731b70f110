--- What was started under nohup outlives its terminal with its children.

local helper = require "spec.helper"

helper.each_method(function(_, method)
  describe("children of a program that ignores SIGHUP", function()
    it("live on after a hangup of the group", function()
      local out = helper.run(([[
        local mp = require "multiprocessing"
        local ready, go = mp.Event(), mp.Event()
        local p = mp.get_context("%s").Process{ target = function()
          ready:set()
          go:wait()
          os.exit(3)
        end }
        p:start()
        ready:wait()
        os.execute("kill -HUP -" .. mp.getpid()) -- to the group: this is its leader
        go:set()
        p:join(20)
        print(p.exitcode)
      ]]):format(method), { command = "setsid -w nohup " .. helper.interpreter })
      assert.equal("3\n", out)
    end)
  end)
end)
