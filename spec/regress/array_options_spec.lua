--- An Array's second argument may be named for what it is.

local mp = require "multiprocessing"

describe("Array with named options", function()
  it("takes size, list or string", function()
    assert.equal(4, #mp.Array{ typecode = "i", size = 4 })
    assert.same({ 1, 2 }, mp.Array{ typecode = "i", list = { 1, 2 } }:totable())
    assert.equal("abc", mp.Array{ typecode = "c", string = "abc" }.raw)
    assert.equal(3, #mp.RawArray{ typecode = "d", size = 3 })
    assert.has_error(function() mp.Array{ typecode = "d", length = 3 } end)
  end)
end)
