--- deleted_program_spec.lua: a program whose file was replaced still starts children
-- MIT licence, see LICENSE
--
-- An upgrade replaces the file of a program that runs; spawn and forkserver could start nothing
-- any more: "cannot start .../mplua (deleted)".

local helper = require "spec.helper"

describe("a program whose file is gone", function()
  it("starts children by every method, and they are the same program", function()
    local copy = os.tmpname()
    os.execute(("cp '%s' '%s' && chmod 755 '%s'"):format(helper.interpreter, copy, copy))
    local output, status = helper.run([[
      local mp = require "multiprocessing"
      assert(os.remove(arg[1]))
      for _, method in ipairs(mp.get_all_start_methods()) do
        local ctx = mp.get_context(method)
        local p = ctx.Process{ target = function() print("hello by " .. method) end }
        p:start()
        p:join()
      end
      local pool <close> = mp.get_context("spawn").Pool(1)
      print(pool:apply(function()
        local p = mp.get_context("spawn").Process{ target = print, args = { "nested" } }
        p:start()
        p:join()
        return p.exitcode
      end))
    ]], { command = copy, args = copy })
    os.remove(copy)
    assert.equal("hello by fork\nhello by spawn\nhello by forkserver\nnested\n0\n", output)
    assert.equal(0, status)
  end)
end)
