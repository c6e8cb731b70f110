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

local function run_all()
  local jobs = {}
  for i, example in ipairs(examples) do
    jobs[i] = { code = example.code, interpreter = helper.interpreter }
  end
  local pool <close> = mp.Pool(4)
  return pool:map(run, jobs, 1)
end

local results = run_all()

local function squeezed(lines)
  local list = {}
  for i, line in ipairs(lines) do list[i] = line:gsub("%s+", " ") end
  return list
end

describe("the example", function()
  for i, example in ipairs(examples) do
    it("of " .. example.title, function()
      local result = results[i]
      local where = ("%s\n%s\n%s"):format(example.where, example.code,
        table.concat(result.lines, "\n"))
      assert.truthy(example.says, where .. "does not say what comes of it, with -->")
      assert.same(squeezed(example.expected), result.lines, where)
      assert.same({ "exit", 0 }, { result.how, result.code }, where)
    end)
  end
end)
