--- run.lua: the benchmarks, against python3's multiprocessing in the same run
-- MIT licence, see LICENSE
--
-- usage: mplua scripts/bench/run.lua [OPTION...] [GROUP...]
--
--   GROUP          process, pool, queue, sync, manager, codec, machine; default: all
--   --rows TEXT    only rows whose names contain TEXT
--   --rounds N     the median of so many rounds (3)
--   --seconds S    what each side of a row takes a round, about (0.15)
--   --grow         how costs grow with workers, sizes, depths: bench-grow.json and bench-grow.md
--   --quick        a short warm-up only, without slow rows: whether everything runs; its figures
--                  are rough
--   --out FOLDER   where bench.json and bench.md go (build)
--
-- Rounds of mplua, of the other one and of the limit take turns. Times depend on the machine:
-- ratios are to be quoted. docs/performance.md tells what each row does.

local here <const> = arg[0]:match "^(.*)/[^/]*$" or "."
package.path = here .. "/../?.lua;" .. package.path

local mp = require "multiprocessing"
local measure = require "bench.measure"
local peer = require "bench.peer"
local report = require "bench.report"
local work = require "bench.work"

local all <const> = { "process", "pool", "queue", "sync", "manager", "codec", "machine" }
local flags <const> = { quick = true, grow = true }
local options = { rounds = 3, seconds = 0.15, out = "build", rows = "" }
local wanted = {}

local function usage(message)
  io.stderr:write("run.lua: ", message, "\nusage: mplua scripts/bench/run.lua [--quick] [--grow] ",
    "[--rounds N] [--seconds S] [--rows TEXT] [--out FOLDER] [GROUP...]\n")
  os.exit(2)
end

local function option(i, name) -- returns where its last word stands
  if flags[name] then
    options[name] = true
    return i
  end
  local default = options[name] or usage("unknown option --" .. name)
  local value = arg[i + 1] or usage(("--%s needs a value"):format(name))
  if type(default) == "number" then value = tonumber(value) or usage("a number: --" .. name) end
  options[name] = value
  return i + 1
end

local function read_arguments()
  local i = 1
  while arg[i] do
    local name = arg[i]:match "^%-%-(.*)"
    if name then i = option(i, name) else wanted[#wanted + 1] = arg[i] end
    i = i + 1
  end
  if options.quick then options.rounds, options.seconds = 0, 0.04 end
  if #wanted == 0 then wanted = all end
end

local function line_of(path, pattern)
  local file <close> = io.open(path)
  return file and file:read("a"):match(pattern) or "?"
end

local function version()
  local pipe <close> = io.popen(("'%s' -v 2>&1"):format(arg[-1]))
  return pipe:read "a":match "^(.-)%s*Copyright" or "?"
end

local function describe()
  local kib = tonumber(line_of("/proc/meminfo", "MemTotal:%s*(%d+)")) or 0
  return {
    date = os.date "!%Y-%m-%d %H:%M UTC", mplua = version(),
    python = peer.python_version(), quick = options.quick, rounds = options.rounds, groups = {},
    machine = {
      model = line_of("/proc/cpuinfo", "model name%s*:%s*([^\n]*)"), cpus = mp.cpu_count(),
      kernel = line_of("/proc/sys/kernel/osrelease", "(%S+)"),
      memory = ("%.0f GiB"):format(kib / (1 << 20)),
    },
  }
end

local function chosen(rows)
  local list = {}
  for _, row in ipairs(rows) do
    local is_left_out = row.slow and options.quick
    if row[1]:find(options.rows, 1, true) and not is_left_out then list[#list + 1] = row end
  end
  return list
end

local function run_group(run, group, limits)
  local rows = chosen(group.rows)
  if #rows == 0 then return end
  local peers = { limit = limits }
  if group.python and run.python then peers.other = peer.python(here, group.python) end
  local result = {
    title = group.title, other = group.other or "python3", axis = group.axis, rows = {},
  }
  print("\n" .. report.text(result))
  for _, row in ipairs(rows) do
    local figures = measure.measure(row, peers, options.rounds, options.seconds)
    local judged = measure.judge(row, figures)
    table.insert(result.rows, judged)
    print(report.text(judged))
    io.stdout:flush()
  end
  table.insert(run.groups, result)
  work.end_children()
  if peers.other then peers.other:close() end
end

-- the groups of rows in the file NAME.lua; those with an axis show how a cost grows
local function groups_of(name)
  local path = ("%s/%s.lua"):format(here, name)
  local file <close> = io.open(path) or usage("no group " .. name)
  local list = {}
  for _, group in ipairs(assert(load(file:read "a", "@" .. path))()) do
    if (group.axis ~= nil) == (options.grow == true) then list[#list + 1] = group end
  end
  return list
end

read_arguments()
local run <const> = describe()
local limits <const> = peer.open((os.getenv "BUILD" or here .. "/../../build") .. "/bench/limits")
io.write(report.machine(run))
for _, name in ipairs(wanted) do
  for _, group in ipairs(groups_of(name)) do run_group(run, group, limits) end
end
limits:close()
print("\n" .. report.summary(run))
os.execute("mkdir -p " .. options.out)
local path <const> = options.out .. (options.grow and "/bench-grow" or "/bench")
report.write(path .. ".md", report.markdown(run))
if not report.json(path .. ".json", run) then
  print(("no %s.json: lua-cjson is not there"):format(path))
end
