--- parallel_busted_spec.lua: the example that runs a project's specs on a pool
-- MIT licence, see LICENSE

local helper = require "spec.helper"
local mp = require "multiprocessing"

local function shell(command)
  local pipe <close> = assert(io.popen(command))
  return (pipe:read "a":gsub("\n$", ""))
end

local root = shell "pwd"
local script = root .. "/scripts/examples/parallel_busted.lua"
local interpreter = helper.interpreter:find "^/" and helper.interpreter
  or root .. "/" .. helper.interpreter

local files <const> = {
  ["spec/a_passing_spec.lua"] = "it('passes', function() assert.equal(1, 1) end)",
  ["spec/b_failing_spec.lua"] = "it('fails', function() assert.equal(1, 2) end)",
  ["spec/c_erring_spec.lua"] = "error 'no such thing'",
  ["spec/deep/d_crashing_spec.lua"] = "it('crashes', function() os.execute 'kill -SEGV $PPID' end)",
  ["spec/e_hanging_spec.lua"] = [[
    local file = io.open("hangs", "w")
    file:write(require "multiprocessing".getpid(), "\n")
    file:close()
    while true do end]],
  ["spec/f_leaving_spec.lua"] = "it('leaves', function() os.exit(0) end)",
  ["spec/g_wrong_spec.lua"] = "this is no Lua",
  ["spec/h it's last_spec.lua"] = "it('passes, too', function() print 'hello' end)",
  ["spec/helper.lua"] = "error 'this is no spec'",
}

-- A project of its own for each spec; closed, it is removed.
local function new_project()
  local path = shell "mktemp -d"
  for name, text in pairs(files) do
    os.execute(("mkdir -p '%s/%s'"):format(path, name:match "(.*)/"))
    local file <close> = assert(io.open(path .. "/" .. name, "w"))
    file:write(text, "\n")
  end
  os.execute("mkdir " .. path .. "/tmp")
  return setmetatable({ path = path }, { __close = function() os.execute("rm -r " .. path) end })
end

-- Runs the example in the project: its output, its exit code, and what it left in TMPDIR.
local function run(project, arguments)
  local output = shell(
    ("cd %s && TMPDIR=$PWD/tmp timeout 60 %s %s %s 2>&1; echo status=$?; ls tmp"):format(
      project.path, interpreter, script, arguments))
  local text, code, left = output:match "^(.-)\n?status=(%d+)\n?(.*)$"
  assert.equal("", left)
  return text, tonumber(code)
end

local function headings(text)
  local list = {}
  for name in text:gmatch "==> (spec/[^\n]-%.lua)\n" do list[#list + 1] = name end
  return list
end

describe("parallel_busted.lua", function()
  it("runs each file in a process of its own and tells what came of it, in order", function()
    local project <close> = new_project()
    local text, code = run(project, "-j 3 -t 2")
    assert.equal(1, code)
    assert.same({ "spec/a_passing_spec.lua", "spec/b_failing_spec.lua", "spec/c_erring_spec.lua",
      "spec/deep/d_crashing_spec.lua", "spec/e_hanging_spec.lua", "spec/f_leaving_spec.lua",
      "spec/g_wrong_spec.lua", "spec/h it's last_spec.lua" }, headings(text))
    for _, line in ipairs {
      "\n8 spec files: 2 passed, 6 failed (2 successes, 1 failures, 2 errors)\n",
      "  spec/b_failing_spec.lua: exit code 1\n",
      "  spec/c_erring_spec.lua: exit code 1\n",
      "  spec/deep/d_crashing_spec.lua: ended by SIGSEGV\n",
      "  spec/e_hanging_spec.lua: took longer than 2 s\n",
      "  spec/f_leaving_spec.lua: left before all specs had run\n",
      "no such thing", "hello",
    } do
      assert.truthy(text:find(line, 1, true), ("no '%s' in:\n%s"):format(line, text))
    end
    assert.truthy(text:find "\n  spec/g_wrong_spec.lua: exit code 1$", text)
  end)

  it("says by its exit code that all passed", function()
    local project <close> = new_project()
    local text, code = run(project, [[-j 2 spec/a_passing_spec.lua "spec/h it's last_spec.lua"]])
    assert.equal(0, code, text)
    assert.truthy(text:find("2 spec files: 2 passed, 0 failed", 1, true), text)
  end)

  it("hands options on to busted", function()
    local project <close> = new_project()
    local text, code = run(project, "spec/a_passing_spec.lua -- -o TAP")
    assert.equal(0, code, text)
    assert.truthy(text:find("ok 1 - passes", 1, true), text)
  end)

  it("says what is wrong with its arguments", function()
    local project <close> = new_project()
    for arguments, message in pairs {
      ["--frob"] = "unknown option '--frob'; there are -j, -t and -p; busted's own stand behind --",
      ["-j none"] = "-j needs a number, not 'none'; for example: -j 4",
      ["-t"] = "-t needs a number, not ''; for example: -t 4",
      ["missing"] = "there is no file or folder 'missing'",
      ["-p _test"] = "no file below 'spec' has a name with '_test'",
    } do
      local text, code = run(project, arguments)
      assert.equal(1, code)
      assert.truthy(text:find("parallel_busted: " .. message, 1, true), text)
    end
  end)

  it("ends all that runs on Ctrl-C", function()
    local project <close> = new_project()
    local pipe <close> = assert(io.popen(
      ("cd %s; export TMPDIR=$PWD/tmp; echo $$; exec timeout --foreground 60 %s %s -j 2 spec 2>&1")
        :format(project.path, interpreter, script)))
    local runner = pipe:read "n"
    local hanging
    helper.eventually(function()
      local file <close> = io.open(project.path .. "/hangs")
      hanging = file and file:read "n"
      return hanging
    end, 30)
    mp.kill(runner, "SIGINT")
    assert.truthy(pipe:read "a":find "interrupted!")
    assert.same({ nil, "exit", 130 }, { pipe:close() })
    helper.eventually(function() return not pcall(mp.kill, hanging, 0) end)
    assert.equal("", shell("ls " .. project.path .. "/tmp"))
  end)
end)
