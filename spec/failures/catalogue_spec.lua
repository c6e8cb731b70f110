--- catalogue_spec.lua: docs/failures.md is complete, and the tests that it names exist
-- MIT licence, see LICENSE

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

local text <const> = read "docs/failures.md"

-- how many faults each letter has
local counts <const> = { A = 18, B = 20, C = 22, D = 14, E = 15, F = 14, G = 10, H = 10, I = 10,
  J = 10, K = 6 }

-- -> list of {id = , star = , says = , tests = {{path, name}, ...}}, in the page's order
local function rows()
  local list = {}
  for id, star, says, by in text:gmatch "\n| (%u%d%d)([^|]*)|[^|]+| ([^|]+) |([^\n]*)|" do
    local row = { id = id, star = star:find "★" ~= nil, says = says, tests = {} }
    for path, name in by:gmatch "`([%w_/]+%.%w+)`: %*([^*]+)%*" do
      table.insert(row.tests, { path, name })
    end
    list[#list + 1] = row
  end
  return list
end

local function is_test(path, name)
  local source = read(path:find "^scripts/" and path or "spec/" .. path)
  if path:find "_spec.lua$" then -- named in `it` or `describe`, or a part of what they put together
    for line in source:gmatch "[^\n]+" do
      if (line:find "it%(" or line:find "describe%(" or line:find "^%s+%[?\"?%w+.* = \"")
        and line:find(name, 1, true) then return true end
    end
    return false
  end
  return source:find(name, 1, true) ~= nil
end

describe("docs/failures.md", function()
  local all <const> = rows()

  it("has every fault, in order", function()
    local ids, found = {}, {}
    for letter, n in pairs(counts) do
      for i = 1, n do ids[#ids + 1] = ("%s%02d"):format(letter, i) end
    end
    table.sort(ids)
    for i, row in ipairs(all) do found[i] = row.id end
    assert.same(ids, found)
    assert.equal(149, #found)
  end)

  it("names tests that exist", function()
    for _, row in ipairs(all) do
      for _, t in ipairs(row.tests) do
        assert(is_test(t[1], t[2]), ("%s: no test '%s' in %s"):format(row.id, t[2], t[1]))
      end
    end
  end)

  it("has a test for all that matter most, and for four fifths of the others", function()
    local stars, applying, tested = 0, 0, 0
    for _, row in ipairs(all) do
      if row.star then
        stars = stars + 1
        assert(#row.tests > 0, row.id .. " has no test")
      end
      if not row.says:find "does not apply" then
        applying = applying + 1
        if #row.tests > 0 then tested = tested + 1 end
      end
    end
    print(("  %d faults apply, %d have a test"):format(applying, tested))
    assert.equal(20, stars)
    assert.is_true(tested * 5 >= applying * 4)
  end)
end)
