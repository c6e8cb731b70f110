--- examples_spec.lua: every example of the annotations does what its comments say
-- MIT licence, see LICENSE
--
-- What stands behind "-->" is a line that it writes. The examples of a class's methods go on from
-- the example of the class. Each is a script of its own.

local helper = require "spec.helper"
local mp = require "multiprocessing"
package.path = "scripts/build/?.lua;" .. package.path
local reference = require "reference"

local DEADLINE <const> = 60 -- seconds

local examples = reference.examples(reference.read())

-- Runs in a worker: lines of both outputs, exit code, children that are left.
local function run(job)
  local path = os.tmpname()
  do
    local file <close> = assert(io.open(path, "w"))
    file:write(job.code)
  end
  local pipe <close> = assert(io.popen(("timeout -k 1 %d %s %s 2>&1 </dev/null"):format(DEADLINE,
    job.interpreter, path)))
  local lines = {}
  for line in pipe:lines() do lines[#lines + 1] = line:gsub("%s+", " ") end
  local _, how, code = pipe:close()
  os.remove(path)
  return { lines = lines, how = how, code = code }
end

-- Those that start processes run by every start method, unless they choose one.
local function methods_of(code)
  if code:find "start_method" or code:find "get_context" then return { "fork" } end
  for _, word in ipairs { "mp%.Process", "Pool", "MyManager", "parallel" } do
    if code:find(word) then return { "fork", "spawn", "forkserver" } end
  end
  return { "fork" }
end

local PREFIX <const> = [[%s -e 'require "multiprocessing".set_start_method("%s", true)']]

-- Results by the example's number and the method.
local function run_all()
  local jobs, results = {}, {}
  for i, example in ipairs(examples) do
    results[i] = {}
    for _, method in ipairs(methods_of(example.code)) do
      local interpreter = method == "fork" and helper.interpreter
        or PREFIX:format(helper.interpreter, method)
      jobs[#jobs + 1] = { code = example.code, interpreter = interpreter, i = i, method = method }
    end
  end
  local pool <close> = mp.Pool(4)
  for k, result in pool:imap(run, jobs) do results[jobs[k].i][jobs[k].method] = result end
  return results
end

local results = run_all()

local function squeezed(lines)
  local list = {}
  for i, line in ipairs(lines) do list[i] = line:gsub("%s+", " ") end
  return list
end

describe("the example", function()
  for i, example in ipairs(examples) do
    for method, result in pairs(results[i]) do
      it(("of %s (%s)"):format(example.title, method), function()
        local where = ("%s\n%s\n%s"):format(example.where, example.code,
          table.concat(result.lines, "\n"))
        assert.truthy(example.says, where .. "does not say what comes of it, with -->")
        assert.same(squeezed(example.expected), result.lines, where)
        assert.same({ "exit", 0 }, { result.how, result.code }, where)
      end)
    end
  end
end)
