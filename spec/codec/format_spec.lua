--- format_spec.lua: docs/wire-format.md against src/codec/tags.h and against real messages
-- MIT licence, see LICENSE

local mp = require "multiprocessing"

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

-- The tags of the source: name -> first, last, data
local function tags_of_source()
  local tags = {}
  for name, first, last, data in
    read("src/codec/tags.h"):gmatch("X%((%u+%d*), 0x(%x%x), 0x(%x%x), ([01])%)") do
    tags[name] = { first, last, data }
  end
  return tags
end

describe("docs/wire-format.md", function()
  it("has the tags that the code has", function()
    local source, page = tags_of_source(), {}
    for first, rest, name in read("docs/wire-format.md"):gmatch("\n| (%x%x)([^|]*)| (%u+%d*) |") do
      page[name] = { first, rest:match("%x%x") or first }
    end
    for name, tag in pairs(source) do
      assert.is_table(page[name], name)
      assert.equal(tag[1], page[name][1], name)
      assert.equal(tag[2], page[name][2], name)
      assert.equal(tonumber(tag[1], 16) < 0xD8, tag[3] == "1", name)
    end
    for name in pairs(page) do assert.is_table(source[name], name) end
  end)

  it("says what messages look like", function()
    local function hex(v)
      return (mp.dumps(v):gsub(".", function(c) return ("%02X "):format(c:byte()) end):sub(1, -2))
    end
    local head = "B7 01 00 00 01 00 00 00 "
    assert.equal(head .. "05", hex(5))
    assert.equal(head .. "C3 FF", hex(-1))
    assert.equal(head .. "C4 2C 01", hex(300))
    assert.equal(head .. "C0", hex(nil))
    assert.equal(head .. "83 61 62 63", hex "abc")
    assert.equal(head .. "CC 02 00 01 00 01 02 81 78 C2", hex { 1, 2, x = true })
    assert.equal("B7 01 00 01 01 00 00 00 CC 02 00 00 00 82 61 62 40", hex { "ab", "ab" })
    local t = {}
    assert.equal(head .. "CC 02 00 00 00 CD 00 00 00 00 CB 0D", hex { t, t })
    assert.equal("B7 01 02 00 01 00 00 00 D8 02 02 00 5F 47 05 00 70 72 69 6E 74", hex(print))
    assert.equal("B7 01 02 00 01 00 00 00 E2", hex(_G))
    local s = mp.dumps(("x"):rep(3000))
    assert.equal("\xB7\1\1\0\1\0\0\0\xC9" .. string.pack("<I8", 3000) .. ("x"):rep(3000) ..
      string.pack("<I8I4", 17, 0), s)
  end)
end)
