#!/usr/bin/env mplua
--- parallel_busted.lua: runs the busted specs of a project, each file in a process of its own
-- MIT licence, see LICENSE
--
-- usage: mplua parallel_busted.lua [-j N] [-t SECONDS] [-p PATTERN] [PATH...] [-- OPTION...]
--
--   -j N         files that run at the same time (default: all processors)
--   -t SECONDS   the time that one file may take (default 300)
--   -p PATTERN   part of the names of spec files, a Lua pattern (default "_spec")
--   PATH         spec files, or folders that are searched for them (default: spec)
--   OPTION       for busted; it also reads the file .busted of the current folder
--
-- The output comes file by file, in order, as if they ran one after the other. A file that
-- crashes, hangs or leaves by os.exit fails, and takes no other with it. The exit code is 0 when
-- all files passed, else 1.
--
-- Output (among others):
--   ==> spec/codec/format_spec.lua
--   %d+ successes / 0 failures / 0 errors .*
--   1 spec file: 1 passed, 0 failed %(%d+ successes, 0 failures, 0 errors%)
--   [%d.]+ s with 2 processes, [%d.]+ s of work
-- Args: -j 2 spec/codec/format_spec.lua

local mp = require "multiprocessing"

-- one file: this script is started again, with the path of a file to make when all passed --------

if arg[1] == "--one" then
  local sign = arg[2]
  table.move(arg, 3, #arg + 2, 1)
  require "busted.runner" { standalone = false } -- does not come back when something failed
  assert(io.open(sign, "w")):close()
  os.exit(0)
end

-- the command line ------------------------------------------------------------------------------

local function fail(format, ...)
  io.stderr:write("parallel_busted: ", format:format(...), "\n")
  os.exit(1)
end

local function number_after(option, text, is_good)
  local n = tonumber(text)
  if n and is_good(n) then return n end
  fail("%s needs a number, not '%s'; for example: %s 4", option, text or "", option)
end

local function read_arguments()
  local o = { paths = {}, busted = {}, jobs = mp.cpu_count(), limit = 300, pattern = "_spec" }
  local i = 1
  while arg[i] do
    local a, value = arg[i], arg[i + 1]
    if a == "--" then
      table.move(arg, i + 1, #arg, 1, o.busted)
      break
    elseif a == "-j" then
      o.jobs = number_after(a, value, function(n) return math.tointeger(n) and n >= 1 end)
    elseif a == "-t" then
      o.limit = number_after(a, value, function(n) return n > 0 end)
    elseif a == "-p" then
      o.pattern = value or fail "-p needs a pattern; for example: -p _test"
    elseif a:find "^%-" then
      fail("unknown option '%s'; there are -j, -t and -p; busted's own stand behind --", a)
    else
      table.insert(o.paths, a)
    end
    i = i + (a:find "^%-" and 2 or 1)
  end
  if not o.paths[1] then o.paths[1] = "spec" end
  return o
end

local function quote(s)
  return "'" .. s:gsub("'", "'\\''") .. "'"
end

local function output_of(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read "a"
end

-- Spec files below the paths, in order. A file that is named is one, whatever its name.
local function find_files(paths, pattern)
  local files = {}
  for _, path in ipairs(paths) do
    local found = output_of(("find -H %s -type f -print0 | LC_ALL=C sort -z"):format(quote(path)))
    if found == "" then fail("there is no file or folder '%s' with specs", path) end
    for file in found:gmatch "[^\0]+" do
      local name = file:match "[^/]+$"
      if file == path or name:find(pattern) and name:find "%.lua$" then
        table.insert(files, file)
      end
    end
  end
  if not files[1] then
    fail("no file below '%s' has a name with '%s'", table.concat(paths, "', '"), pattern)
  end
  return files
end

-- running one file, in a worker -----------------------------------------------------------------

-- The file `base.pid` says which process group is to be ended when this script is.
local function run(job)
  local began = mp.now()
  local _, how, code = os.execute(
    ("echo $$ >%s.pid; exec timeout -k 3 %g %s >%s.out 2>&1 </dev/null"):format(
      job.base, job.limit, job.command, job.base))
  os.remove(job.base .. ".pid")
  local file <close> = assert(io.open(job.base .. ".out", "rb"))
  return { how = how, code = code, seconds = mp.now() - began, output = file:read "a",
    is_complete = os.remove(job.base .. ".passed") }
end

-- A folder for what runs; closed, it ends what still runs and is removed.
local function new_folder()
  local path = output_of("mktemp -d"):match "[^\n]+"
  return setmetatable({ path = path }, { __close = function()
    os.execute(("for f in %s/*.pid; do [ ! -f $f ] || kill -9 -$(cat $f); done 2>/dev/null")
      :format(path))
    os.execute("rm -r " .. path)
  end })
end

-- What this script is run by, which may have options.
local function interpreter()
  local i = 0
  while arg[i - 1] do i = i - 1 end
  return arg[i]
end

local function jobs_of(files, options, folder)
  local program = quote(interpreter()) .. " " .. quote(arg[0])
  local more = {}
  for i, option in ipairs(options.busted) do more[i] = quote(option) end
  local jobs = {}
  for i, file in ipairs(files) do
    jobs[i] = {
      base = folder.path .. "/" .. i,
      limit = options.limit,
      command = ("%s --one %s/%d.passed %s %s"):format(program, folder.path, i,
        table.concat(more, " "), quote(file)),
    }
  end
  return jobs
end

-- what came of it -------------------------------------------------------------------------------

local signals <const> = { [4] = "SIGILL", [6] = "SIGABRT", [7] = "SIGBUS", [8] = "SIGFPE",
  [9] = "SIGKILL", [11] = "SIGSEGV", [15] = "SIGTERM" }

-- Why the file failed; nil when it passed.
local function reason_of(result, limit)
  local code = result.code
  if result.seconds >= limit and (code == 124 or code == 137 or result.how == "signal") then
    return ("took longer than %g s"):format(limit)
  end
  if result.how == "signal" then return "ended by " .. (signals[code] or "signal " .. code) end
  if code ~= 0 then return "exit code " .. code end
  if not result.is_complete then return "left before all specs had run" end
end

local function add_counts(counts, output)
  local successes, failures, errors
  for s, f, e in output:gmatch "(%d+) success[es]* / (%d+) failures? / (%d+) errors?" do
    successes, failures, errors = s, f, e
  end
  counts.successes = counts.successes + (successes or 0)
  counts.failures = counts.failures + (failures or 0)
  counts.errors = counts.errors + (errors or 0)
end

-- The next result; a worker that was killed fails its file alone.
local function next_result(results)
  local ok, i, result = pcall(results.next, results)
  if ok then return result end
  if not mp.iserror(i, "WorkerLostError") then error(i, 0) end
  return { how = "signal", code = 9, seconds = 0, output = i.message .. "\n" }
end

local function show(file, result, limit)
  print("==> " .. file)
  io.write(result.output, result.output:find "[^\n]$" and "\n" or "")
  local reason = reason_of(result, limit)
  if reason then print(("==> %s FAILED: %s"):format(file, reason)) end
  io.stdout:flush()
  return reason
end

local function run_all(files, options)
  local folder <close> = new_folder()
  local pool <close> = mp.Pool(math.min(options.jobs, #files))
  local results = pool:imap(run, jobs_of(files, options, folder))
  local failed, work = {}, 0
  local counts = { successes = 0, failures = 0, errors = 0 }
  for _, file in ipairs(files) do
    local result = next_result(results)
    local reason = show(file, result, options.limit)
    if reason then table.insert(failed, ("  %s: %s"):format(file, reason)) end
    add_counts(counts, result.output)
    work = work + result.seconds
  end
  return failed, counts, work
end

local options = read_arguments()
local files = find_files(options.paths, options.pattern)
local began = mp.now()
local failed, counts, work = run_all(files, options)

print(("\n%d spec file%s: %d passed, %d failed (%d successes, %d failures, %d errors)"):format(
  #files, #files == 1 and "" or "s", #files - #failed, #failed, counts.successes,
  counts.failures, counts.errors))
print(("%.1f s with %d processes, %.1f s of work"):format(mp.now() - began, options.jobs, work))
if failed[1] then print(table.concat(failed, "\n")) end
os.exit(#failed == 0 and 0 or 1)
