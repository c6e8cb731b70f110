--- The benchmarks run, and their table is whole.
-- MIT licence, see LICENSE

local cjson = require "cjson"
local helper = require "spec.helper"

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

local scratch <const> = os.tmpname()

-- Runs the quick benchmark of some rows; what it printed, its exit code, and its two files.
local function bench(...)
  local text, status = helper.run(([[
    arg = { [-1] = arg[-1], [0] = "scripts/bench/run.lua", "--quick", "--out", %q, %s }
    dofile(arg[0])]]):format(scratch, ("%q, "):rep(select("#", ...)):format(...)),
    { deadline = 60 })
  if status ~= 0 then return text, status end
  return text, status, cjson.decode(read(scratch .. "/bench.json")), read(scratch .. "/bench.md")
end

local function rows_of(run)
  local rows = {}
  for _, group in ipairs(run.groups) do
    for _, row in ipairs(group.rows) do rows[#rows + 1] = row end
  end
  return rows
end

describe("bench", function()
  setup(function()
    os.remove(scratch)
    local build <const> = os.getenv "BUILD" or "build"
    assert(os.execute(("make -s %s/bench/limits %s/bench/codec_floor.so >/dev/null"):format(
      build, build)))
  end)

  teardown(function() os.execute("rm -rf " .. scratch) end)

  it("measures a row by mplua, by python3 and by the machine's limit", function()
    local text, status, run, markdown = bench("--rows", "8 B", "queue")
    assert.equal(0, status, text)
    local rows = rows_of(run)
    assert.equal(1, #rows)
    local row = rows[1]
    assert.equal("8 B (an integer)", row.name)
    assert.is_true(row.mplua > 1e-8 and row.mplua < 1)
    assert.is_true(row.limit > 1e-9 and row.limit < 1)
    assert.is_true(math.abs(row.of_limit - row.mplua / row.limit) < 1e-3)
    if run.python then
      assert.is_true(math.abs(row.times - row.other / row.mplua) < 1e-3 * row.times)
      assert.equal(row.times >= row.wanted, row.reached)
    end
    assert.is_truthy(markdown:find("| 8 B (an integer) | ", 1, true))
    assert.is_truthy(text:find("8 B (an integer)", 1, true))
  end)

  it("compares with lua-cjson and the floor of Lua's API", function()
    local text, status, run = bench("--rows", "small record", "codec")
    assert.equal(0, status, text)
    local rows = rows_of(run)
    assert.equal(4, #rows)
    assert.same({ "pickle", "lua-cjson" }, { run.groups[1].other, run.groups[2].other })
    assert.is_number(rows[1].limit)
    assert.is_number(rows[3].times)
    assert.is_number(rows[4].times)
  end)

  it("says which machine and versions it ran on", function()
    local text, status, run = bench("--rows", "atomic add, alone", "machine")
    assert.equal(0, status, text)
    assert.is_truthy(run.mplua:find "^mplua %d")
    assert.is_true(run.machine.cpus >= 1)
  end)

  it("judges a row by all that is wanted of it", function()
    package.path = "scripts/?.lua;" .. package.path
    local judge = require "bench.measure".judge
    local function reached(row, figures) return judge(row, figures).reached end
    assert.is_nil(reached({ "x" }, { mplua = 1, other = 2, limit = 1 }))
    assert.is_nil(reached({ "x", wanted = 2 }, { mplua = 1 }))
    assert.is_true(reached({ "x", wanted = 2 }, { mplua = 1, other = 2 }))
    assert.is_false(reached({ "x", wanted = 3 }, { mplua = 1, other = 2 }))
    local figures <const> = { mplua = 2, other = 9, limit = 1 }
    assert.is_false(reached({ "x", wanted = 2, of_limit = 1.5 }, figures))
    assert.is_true(reached({ "x", wanted = 2, of_limit = 2 }, figures))
    assert.is_false(reached({ "x", wanted = 9, of_limit = 2 }, figures))
    assert.is_true(reached({ "x", at_most = 2, unit = "KiB" }, { mplua = 2 }))
    assert.is_false(reached({ "x", at_least = 98, unit = "%" }, { mplua = 97 }))
  end)

  it("refuses what it does not know", function()
    local text, status = bench("--fast")
    assert.equal(2, status)
    assert.is_truthy(text:find("unknown option --fast", 1, true))
    text, status = bench("nonsense")
    assert.equal(2, status)
    assert.is_truthy(text:find("no group nonsense", 1, true))
  end)
end)
