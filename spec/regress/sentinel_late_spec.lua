--- sentinel_late_spec.lua: a process whose end was seen can still be waited for
-- MIT licence, see LICENSE
--
-- Its descriptor was given back at its end, and `sentinel` was nil then when nobody had asked for
-- it before: mp.wait refused the process, or waited for ever on a list that was empty.

local helper = require "spec.helper"

helper.each_method(function(mp)
  describe("a process that was joined", function()
    local function ended()
      local p = mp.Process{ target = function() end }
      p:start()
      p:join()
      return p
    end

    it("is ready in wait", function()
      helper.leaks_nothing(function()
        local p = ended()
        assert.same({ p }, mp.wait({ p }, 10))
        assert.same({ p.sentinel }, mp.wait({ p.sentinel }, 10))
        p:close()
      end)
    end)

    it("is nobody else's", function()
      local p = ended()
      local q = mp.Queue()
      local other = mp.Process{ target = function() q:put(p.sentinel == nil) end }
      other:start()
      assert.is_true(q:get(true, 10))
      other:join()
    end)

    it("does not hold up many that end in any order", function()
      helper.leaks_nothing(function()
        local left = {}
        for i = 1, 40 do -- more than are looked at one by one
          left[i] = mp.Process{ target = function() end }
          left[i]:start()
        end
        while #left > 0 do
          local ready = mp.wait(left, 30)
          assert(#ready > 0)
          for _, p in ipairs(ready) do
            p:join()
            p:close()
            for i = #left, 1, -1 do
              if left[i] == p then table.remove(left, i) end
            end
          end
        end
      end)
    end)
  end)
end)
