--- limits_spec.lua: what ulimit forbids is an error, with a message
-- MIT licence, see LICENSE
--
-- The first shared object under a small `ulimit -f` ended the process by SIGXFSZ, without a word.

local helper = require "spec.helper"

describe("a limit", function()
  it("of file sizes is an error, not the end", function()
    local output, status = helper.run([[
      local mp = require "multiprocessing"
      print(select(2, pcall(mp.Queue)))
      local name = "mplua_limits_" .. mp.getpid()
      local ok, e = pcall(mp.SharedMemory, { name = name, create = true, size = 1 << 30 })
      print(ok, mp.iserror(e, "ProcessError"), pcall(mp.SharedMemory, name))
    ]], { setup = "ulimit -f 100" })
    assert.matches("^ProcessError: cannot create the shared arena: File too large\n"
      .. "false\ttrue\tfalse\t.*it does not exist\n$", output)
    assert.equal(0, status)
  end)

  it("of file sizes that is larger leaves room for all", function()
    local output = helper.run([[
      local mp = require "multiprocessing"
      local q = mp.Queue()
      q:put(("x"):rep(1e6))
      print(#q:get())
    ]], { setup = "ulimit -f 1000000" })
    assert.equal("1000000\n", output)
  end)

  it("of open files is told with what was to be made", function()
    local output = helper.run([[
      local mp = require "multiprocessing"
      local q, open = mp.Queue(), {}
      while true do
        local file = io.open "/dev/null"
        if not file then break end
        open[#open + 1] = file
      end
      print(select(2, pcall(mp.Pool, 8)))
      print(select(2, pcall(mp.Listener)))
    ]], { setup = "ulimit -n 40" })
    assert.equal("ProcessError: cannot make a pool: Too many open files\n"
      .. "ProcessError: cannot make a path to listen on: unable to generate a unique filename\n",
      output)
  end)
end)
