--- corpus_spec.lua: the fuzzer's inputs, without the fuzzer
-- MIT licence, see LICENSE

local mp = require "multiprocessing"

describe("loads", function()
  it("survives the fuzzer's corpus, with and without a head in front", function()
    local list <close> = assert(io.popen "ls spec/fuzz/corpus/*")
    local n, accepted = 0, 0
    for path in list:lines() do
      local file <close> = assert(io.open(path, "rb"))
      local bytes = file:read "a"
      n = n + 1
      for _, s in ipairs { bytes:sub(2), "\xB7\1\0\20\1\0\0\0" .. bytes:sub(2) } do
        local ok, e = pcall(mp.loads, s, { functions = false })
        assert.is_true(ok or mp.iserror(e, "SerializationError"), path)
        if ok then accepted = accepted + 1 end
      end
    end
    assert.is_true(n > 100 and accepted > 10)
  end)
end)
