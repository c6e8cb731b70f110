--- process_failure_spec.lua: children without memory, starts that fail at first
-- MIT licence, see LICENSE

local helper = require "spec.helper"

helper.each_method(function(ctx)
  it("a child without memory says so", function()
    local script = ([[
      local mp = require "multiprocessing"
      local p = mp.get_context("%s").Process {
        target = function()
          local list = {}
          for i = 1, 1e8 do list[i] = {} end
        end,
        memory_limit = 10000000,
      }
      p:start()
      p:join()
      print(p.exitcode)
    ]]):format(ctx.get_start_method())
    assert.equal("Process Process-1:\nnot enough memory\n1\n", (helper.run(script)))
  end)

  it("a start that failed can be tried again", function()
    local script = ([[
      local mp = require "multiprocessing"
      local ctx = mp.get_context("%s")
      local list = { coroutine.create(print) } -- cannot be sent
      local p = ctx.Process {
        target = function(_, code) os.exit(code) end, args = { list, 7 },
      }
      local failed = not pcall(p.start, p)
      list[1] = nil
      if failed then p:start() end
      p:join()
      print(p.exitcode)
    ]]):format(ctx.get_start_method())
    assert.equal("7\n", (helper.run(script)))
  end)
end)
