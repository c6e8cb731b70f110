--- docs_spec.lua: what the documentation shows is what happens
-- MIT licence, see LICENSE
--
-- Every ```lua block of the pages below is a script: it runs in a fresh interpreter, with a
-- deadline, and must say what the ```text block behind it says (standard output, then standard
-- error), or what its `--> ` comments say; with neither it must say nothing. In what is expected
--
--   <name>     stands for a number, `<pid>` for example
--   ...        for anything, and alone on a line for any number of lines
--
-- ```text any order     the lines may come in any order
-- ```text exit 1        the script ends with this exit code; else with 0
-- ```lua fragment       no script: it need only be Lua
--
-- Also: links lead to files that exist, and the tutorial's page names every script of its folder.

local helper = require "spec.helper"

local PAGES <const> = { "README.md", "docs/guide.md", "docs/from-python.md",
  "docs/troubleshooting.md" }
local DEADLINE <const> = 30 -- seconds a block
local FRAGMENTS_MAX <const> = 6 -- in all pages together

local read <const>, lines_of <const> = helper.read, helper.lines_of

-- --- the blocks of a page ----------------------------------------------------------------------

-- -> list of {language = , words = , line = , lines = , after = }; `after` is the number of the
-- block right before it (with nothing but empty lines between), or nil
local function fences(text)
  local blocks, open, nothing_since = {}, nil, false
  for number, line in ipairs(lines_of(text)) do
    local info = line:match "^```(.*)$"
    if open and info then
      open, nothing_since = nil, true
    elseif open then
      table.insert(open.lines, line)
    elseif info then
      open = { language = info:match "^%a*", words = info:match "^%a*%s*(.*)$", line = number,
        lines = {}, after = nothing_since and #blocks or nil }
      blocks[#blocks + 1] = open
    elseif line:find "%S" then
      nothing_since = false
    end
  end
  assert(not open, "a block is not closed")
  return blocks
end

-- what the comments of a script say
local function announced(lines)
  local said = {}
  for _, line in ipairs(lines) do
    said[#said + 1] = line:match "%-%->%s?(.*)$"
  end
  return said
end

-- -> list of scripts {line, code, is_fragment, expected, sorted, exit}
local function scripts_of(text)
  local blocks, scripts, script_of = fences(text), {}, {}
  for i, block in ipairs(blocks) do
    if block.language == "lua" then
      assert(block.words == "" or block.words == "fragment", "line " .. block.line)
      local script = { line = block.line, code = table.concat(block.lines, "\n") .. "\n",
        is_fragment = block.words == "fragment", expected = announced(block.lines), exit = 0 }
      scripts[#scripts + 1], script_of[i] = script, script
    elseif block.language == "text" then
      local script = assert(script_of[block.after], "no script before line " .. block.line)
      script.expected, script.sorted = block.lines, block.words == "any order"
      script.exit = tonumber(block.words:match "^exit (%d+)$") or 0
    end
  end
  return scripts
end

-- --- comparing ---------------------------------------------------------------------------------

local function pattern_of(line)
  local pattern = line:gsub("%p", "%%%0"):gsub("%%<%l+%%>", "%%d+"):gsub("%%%.%%%.%%%.", ".*")
  return "^" .. pattern .. "$"
end

-- Do the lines from a on match the expected ones from e on?
local function matches(expected, e, actual, a)
  while expected[e] do
    if expected[e]:match "^%s*%.%.%.$" then
      for rest = a, #actual + 1 do
        if matches(expected, e + 1, actual, rest) then return true end
      end
      return false
    end
    if not actual[a] or not actual[a]:find(pattern_of(expected[e])) then return false end
    e, a = e + 1, a + 1
  end
  return actual[a] == nil
end

local function compare(script, output)
  local expected, actual = script.expected, lines_of(output)
  if script.sorted then
    expected = table.move(expected, 1, #expected, 1, {})
    table.sort(expected)
    table.sort(actual)
  end
  if not matches(expected, 1, actual, 1) then assert.same(expected, actual) end
end

-- --- running -----------------------------------------------------------------------------------

local function execute(code)
  local out, err = os.tmpname(), os.tmpname()
  local _, status = helper.run(code, { deadline = DEADLINE,
    redirect = (">%s 2>%s </dev/null"):format(out, err) })
  local output = read(out) .. read(err)
  os.remove(out)
  os.remove(err)
  return output:gsub("/tmp/lua_%w+", "script.lua"), status
end

local function check(script, page)
  assert(load(script.code, ("=%s block at line %d"):format(page, script.line)))
  if script.is_fragment then return end
  local output, status = execute(script.code)
  assert.not_equal(124, status, ("it ran longer than %d s"):format(DEADLINE))
  compare(script, output)
  assert.equal(script.exit, status, output)
end

local fragments = 0

for _, page in ipairs(PAGES) do
  describe(page, function()
    local understood, scripts = pcall(function() return scripts_of(read(page)) end)
    it("is understood", function()
      assert(understood, scripts)
      assert(#scripts > 0, "no script in it")
    end)
    if not understood then return end
    for _, script in ipairs(scripts) do
      if script.is_fragment then fragments = fragments + 1 end
      it("shows what happens at line " .. script.line, function() check(script, page) end)
    end
  end)
end

describe("fragments", function()
  it("are few", function() assert(fragments <= FRAGMENTS_MAX, fragments .. " of them") end)
end)

-- --- messages that no script can show ------------------------------------------------------------

-- All of the library's text, with the parts of strings joined.
local function sources()
  local pipe <close> = assert(io.popen "find src lua -name '*.c' -o -name '*.lua' | xargs cat")
  return (pipe:read "a":gsub('"%s*%.?%.?%s*"', ""))
end

describe("rarer messages", function()
  it("stand in the sources", function()
    local table_of = read "docs/troubleshooting.md":match "\n## Rarer messages\n(.*)"
    local text, count = sources(), 0
    for cell in table_of:gmatch "\n| (`[^|]*)|" do
      for message in cell:gmatch "`([^`]*)`" do
        for part in message:gsub("<%l+>", "\0"):gmatch "[^\0]+" do
          count = count + 1
          assert(text:find(part, 1, true), part)
        end
      end
    end
    assert(count > 5)
  end)
end)

-- --- links -------------------------------------------------------------------------------------

local function exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end

-- all pages, also those without scripts that are run here
local function all_pages()
  local pipe <close> = assert(io.popen "ls README.md docs/*.md scripts/tutorial/README.md")
  local pages = {}
  for page in pipe:lines() do pages[#pages + 1] = page end
  return pages
end

describe("links", function()
  for _, page in ipairs(all_pages()) do
    it("of " .. page .. " lead somewhere", function()
      local folder = page:match "^.*/" or ""
      for target in read(page):gmatch "%]%(([^)#%s]+)[^)]*%)" do
        assert(target:find "^https?:" or exists(folder .. target), target)
      end
    end)
  end
end)

-- --- the tutorial's page -----------------------------------------------------------------------

describe("scripts/tutorial/README.md", function()
  it("names every script there is, and no other", function()
    local named = {}
    local page = read "scripts/tutorial/README.md"
    for name in page:gmatch "%d%d_[%w_]+%.lua" do named[name] = true end
    local pipe <close> = assert(io.popen("ls scripts/tutorial"))
    for name in pipe:lines() do
      if name:find "%.lua$" then
        assert(named[name], name .. " is not named")
        named[name] = nil
      end
    end
    assert.is_nil(next(named), tostring(next(named)) .. " does not exist")
  end)
end)

-- --- this spec itself --------------------------------------------------------------------------

describe("a page's blocks", function()
  local page = [[
```lua
print(1) --> 1
print(2) --> 2
```
Some words.

```lua
print "x"
```

```text any order
b <pid> c
a...
```

```lua fragment
local x = ...
```

```sh
make
```
]]

  it("are found with what they are to say", function()
    local scripts = scripts_of(page)
    assert.equal(3, #scripts)
    assert.same({ "1", "2" }, scripts[1].expected)
    assert.same({ "b <pid> c", "a..." }, scripts[2].expected)
    assert.is_true(scripts[2].sorted)
    assert.is_true(scripts[3].is_fragment)
    assert.has_error(function() scripts_of "words\n```text\nx\n```\n" end)
    assert.has_error(function() scripts_of "```lua fragmnt\nx = 1\n```\n" end)
    assert.has_error(function() scripts_of "```lua\nx = 1\n" end)
  end)

  it("are compared", function()
    local script = scripts_of(page)[2]
    compare(script, "a and more\nb 12 c\n")
    assert.has_error(function() compare(script, "a and more\nb x c\n") end)
    assert.has_error(function() compare(script, "a\nb 12 c\nd\n") end)
    compare({ expected = { "x", "...", "z" } }, "x\ny\ny\nz\n")
    compare({ expected = { "x", "...", "z" } }, "x\nz\n")
    assert.has_error(function() compare({ expected = { "x", "...", "z" } }, "x\ny\n") end)
    assert.has_error(function() compare({ expected = {} }, "x\n") end)
  end)

  it("are run as they stand", function()
    assert.has_error(function() check(scripts_of "```lua\nprint(1) --> 2\n```\n"[1], "here") end)
    assert.has_error(function() check(scripts_of "```lua\nerror 'x'\n```\n"[1], "here") end)
    assert.has_error(function() check(scripts_of "```lua\nos.exit(3)\n```\n"[1], "here") end)
    check(scripts_of "```lua\nos.exit(3)\n```\n```text exit 3\n```\n"[1], "here")
    check(scripts_of "```lua fragment\nundefined()\n```\n"[1], "here")
  end)
end)
