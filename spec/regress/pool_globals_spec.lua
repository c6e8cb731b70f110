--- Each call finds its globals as they were sent, also where a worker has changed them itself.

local helper = require "spec.helper"

helper.each_method(function(_, method)
  it("a call of a pool finds the globals that were sent with it", function()
    local out = helper.run(([[
      local mp = require("multiprocessing").get_context("%s")
      X = 1
      local function get() return X end
      local pool <close> = mp.Pool(1)
      io.write(pool:apply(get), " ")
      pool:apply(function() X = 99 end)
      io.write(pool:apply(get), " ")
      X = 2
      io.write(pool:apply(get), " ", X, "\n")
    ]]):format(method))
    assert.equal("1 1 2 2\n", out)
  end)
end)
