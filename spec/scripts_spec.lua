--- scripts_spec.lua: every script of scripts/tutorial and scripts/examples does what its head says
-- MIT licence, see LICENSE
--
-- A script's head comment, all lines from its first to the first that is no comment, declares runs:
--
--   -- Output:                 what stdout must be, line for line, each after "--   "
--   --   hello bob
--   -- Output (any order):     the same lines, in any order
--   -- Output (pattern):       each line is a Lua pattern for the whole of one line
--   -- Output (among others):  each line is a pattern that some line matches
--   -- Errors:                 the same for stderr (also with a kind); else it must be empty
--   -- Args: --top 3 "a b"     one run with these arguments, in the shell's quoting; what is
--                              declared after it is of that run alone, what stands before the
--                              first Args is of each run that does not say otherwise
--   -- Exit: 3                 the exit code; else it must be 0
--   -- Methods: fork           the start methods under which to run; else all that there are
--   -- Needs: cjson            a module without which it is not run
--
-- A script without a declared output fails. Each run has a deadline and must leave no process.

local helper = require "spec.helper"
local mp = require "multiprocessing"

local DEADLINE <const> = 30 -- seconds a run
local ENDING <const> = 3 -- seconds for processes to go after the script has

local read <const>, lines_of <const> = helper.read, helper.lines_of

-- --- what a script declares ------------------------------------------------------------------

-- The lines of the head comment, without their dashes.
local function head_of(text)
  local head = {}
  for _, line in ipairs(lines_of(text)) do
    local comment = line:match "^%-%-%-?(.*)$"
    if not comment and not line:find "^#!" then break end
    head[#head + 1] = comment
  end
  return head
end

local streams <const> = { Output = "stdout", Errors = "stderr" }
local kinds <const> = { [""] = "exact", ["(any order)"] = "sorted", ["(pattern)"] = "pattern",
  ["(among others)"] = "some" }

-- "Output (pattern):" -> stream, kind; an unknown kind is a mistake that must not go unseen.
local function block_head(comment)
  local word, kind = comment:match "^ ([OE]%a+) *(%(?.-%)?):%s*$"
  if not streams[word] then return nil end
  return streams[word], kinds[kind] or error("unknown kind of output: " .. comment, 0)
end

-- -> list of runs {args = , stdout = {kind, lines}, stderr = , exit = }, and the start methods
local function declared(text)
  local common, runs, methods, block = { args = "" }, {}, nil, nil
  local run = common
  for _, comment in ipairs(head_of(text)) do
    local stream, kind = block_head(comment)
    local word, value = comment:match "^ (%a+): (.*)$"
    if stream then
      block = { kind = kind, lines = {} }
      run[stream] = block
    elseif word == "Args" then
      run = setmetatable({ args = value }, { __index = common })
      runs[#runs + 1] = run
    elseif word == "Exit" then
      run.exit = assert(tonumber(value), "Exit: needs a number")
    elseif word == "Methods" then
      methods = value
    elseif block and comment:find "^   " then
      block.lines[#block.lines + 1] = comment:sub(4)
    else
      block = nil
    end
  end
  return #runs > 0 and runs or { common }, methods
end

-- --- what it does ------------------------------------------------------------------------------

local number_of_runs = 0

-- Processes that were started, however indirectly, by the run with this mark.
local function left_behind(mark)
  local pipe <close> = assert(io.popen("grep -lzs '^" .. mark .. "$' /proc/[0-9]*/environ"))
  local pids = {}
  for path in pipe:lines() do
    local pid = path:match "%d+"
    local stat = io.open("/proc/" .. pid .. "/stat")
    if stat then
      local is_zombie = stat:read "a":find "^%d+ %b() Z"
      stat:close()
      if not is_zombie then pids[#pids + 1] = pid end
    end
  end
  return pids
end

local function execute(path, args, method)
  number_of_runs = number_of_runs + 1
  local out, err = os.tmpname(), os.tmpname()
  local mark = ("MPLUA_SCRIPT_RUN=%d.%d"):format(mp.getpid(), number_of_runs)
  local set = method and ("-e 'require \"multiprocessing\".set_start_method \"%s\"'"):format(method)
  local _, how, code = os.execute(("%s timeout -k 1 %d '%s' %s %s %s </dev/null >%s 2>%s"):format(
    mark, DEADLINE, helper.interpreter, set or "", path, args, out, err))
  local result = { stdout = read(out), stderr = read(err), how = how, code = code }
  os.remove(out)
  os.remove(err)
  pcall(helper.eventually, function()
    result.left = left_behind(mark)
    return #result.left == 0
  end, ENDING)
  for _, pid in ipairs(result.left) do os.execute("kill -9 " .. pid .. " 2>/dev/null") end
  return result
end

-- --- comparing -----------------------------------------------------------------------------------

local compare = {}

function compare.exact(expected, actual) assert.same(expected, actual) end

function compare.sorted(expected, actual)
  expected = table.move(expected, 1, #expected, 1, {})
  table.sort(expected)
  table.sort(actual)
  assert.same(expected, actual)
end

function compare.pattern(expected, actual)
  for i, pattern in ipairs(expected) do
    if not (actual[i] or ""):find("^" .. pattern .. "$") then
      compare.exact(expected, actual) -- shows both
      error(("line %d does not match: %s"):format(i, pattern), 0)
    end
  end
  assert.equal(#expected, #actual, "number of lines")
end

function compare.some(expected, actual)
  for _, pattern in ipairs(expected) do
    local found = false
    for _, line in ipairs(actual) do found = found or line:find("^" .. pattern .. "$") end
    assert.truthy(found,
      ("no line matches '%s' in:\n%s"):format(pattern, table.concat(actual, "\n")))
  end
end

local nothing <const> = { kind = "exact", lines = {} }

local function check(path, run, method)
  local result = execute(path, run.args, method)
  assert.not_equal(124, result.code, ("it ran longer than %d s"):format(DEADLINE))
  local errors = run.stderr or nothing
  compare[errors.kind](errors.lines, lines_of(result.stderr))
  compare[run.stdout.kind](run.stdout.lines, lines_of(result.stdout))
  assert.same({ "exit", run.exit or 0 }, { result.how, result.code })
  assert.same({}, result.left, "processes are left behind")
end

-- A script that chooses a start method itself runs once, as it is.
local function methods_for(text, wanted)
  if text:find "set_start_method" or text:find "get_context" then return { false } end
  local methods = {}
  for _, method in ipairs(mp.get_all_start_methods()) do
    if not wanted or wanted:find(method, 1, true) then methods[#methods + 1] = method end
  end
  return methods
end

-- The module that the script needs and this machine has not.
local function missing(text)
  local module = text:match "\n%-%- Needs: (%S+)\n"
  local command = module
    and ("'%s' -e 'require \"%s\"' 2>/dev/null"):format(helper.interpreter, module)
  return command and not os.execute(command) and module
end

local function describe_script(path)
  local text = read(path)
  local understood, runs, wanted = pcall(declared, text)
  it("is declared in " .. path, function()
    assert(understood, runs)
    for _, run in ipairs(runs) do
      assert(run.stdout, "no output is declared for the arguments '" .. run.args .. "'")
    end
    assert(#methods_for(text, wanted) > 0, "no such start method: " .. tostring(wanted))
  end)
  if not understood then return end
  for _, run in ipairs(runs) do
    for _, method in ipairs(run.stdout and methods_for(text, wanted) or {}) do
      it(("of %s %s(%s)"):format(path, run.args .. (run.args ~= "" and " " or ""),
        method or "its own start method"), function()
        local module = missing(text)
        if module then return pending("no module " .. module) end
        check(path, run, method)
      end)
    end
  end
end

local function scripts(folder)
  local pipe <close> = assert(io.popen("ls " .. folder .. "/*.lua 2>/dev/null"))
  local paths = {}
  for path in pipe:lines() do paths[#paths + 1] = path end
  return paths
end

describe("the output", function()
  for _, folder in ipairs { "scripts/tutorial", "scripts/examples" } do
    for _, path in ipairs(scripts(folder)) do describe_script(path) end
  end

  it("is looked at in every way", function()
    local runs, methods = declared [[
#!/usr/bin/env mplua
--- A script
-- Output (any order):
--   b
--     indented
--
-- Methods: fork
-- Args: one
-- Args: two "a b"
-- Output (pattern):
--   %d+
-- Errors:
--   bad
-- Exit: 2

-- Output:
--   not in the head
]]
    assert.equal("fork", methods)
    assert.equal(2, #runs)
    assert.same({ "one", { kind = "sorted", lines = { "b", "  indented" } } },
      { runs[1].args, runs[1].stdout })
    assert.same({ args = 'two "a b"', exit = 2, stdout = { kind = "pattern", lines = { "%d+" } },
      stderr = { kind = "exact", lines = { "bad" } } }, runs[2])
    assert.is_nil(declared("--- Nothing is said\n")[1].stdout)
    assert.has_error(function() declared "-- Output (somehow):\n" end)
    assert.has_error(function() compare.pattern({ "%d" }, { "1", "2" }) end)
    assert.has_error(function() compare.pattern({ "%d", "%d" }, { "1" }) end)
    assert.has_error(function() compare.sorted({ "a", "b" }, { "b", "b" }) end)
    assert.has_error(function() compare.some({ "a", "b" }, { "c", "b" }) end)
    compare.sorted({ "a", "b" }, { "b", "a" })
    compare.some({ "%a" }, { "1", "x" })
  end)

  it("includes what a script leaves running", function()
    local path = os.tmpname()
    do
      local file <close> = assert(io.open(path, "w"))
      file:write "os.execute 'setsid sleep 100 >/dev/null 2>&1 &'"
    end
    local result = execute(path, "")
    os.remove(path)
    assert.equal(1, #result.left)
  end)
end)
