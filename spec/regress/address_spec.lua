--- address_spec.lua: what looks like host and port, and is not
-- MIT licence, see LICENSE

local mp = require "multiprocessing"

describe("an address with a wrong port", function()
  it("is no name of a file", function()
    for _, address in ipairs { "127.0.0.1:-1", "127.0.0.1:", "localhost:http", "localhost: 80" } do
      local ok, e = pcall(mp.Listener, { address = address, authkey = "key" })
      assert.is_false(ok, address)
      assert.equal("ProcessError: cannot listen on " .. address .. ": Invalid argument",
        tostring(e))
      assert.is_false(pcall(mp.Client, address, { authkey = "key" }))
      assert.is_nil(io.open(address))
    end
  end)

  it("may be a file's name behind a slash", function()
    local directory = os.tmpname()
    os.remove(directory)
    assert.truthy(os.execute("mkdir " .. directory))
    local listener = mp.Listener { address = directory .. "/a:b" }
    assert.equal(directory .. "/a:b", listener.address)
    listener:close()
    os.remove(directory)
  end)
end)
