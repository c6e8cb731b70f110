--- bench.lua: what the benchmarks share: rounds, medians, the table
-- MIT licence, see LICENSE
--
-- A row is measured by mplua, by python3's multiprocessing and by a bare C loop, in turns in one
-- run; figures are medians of the rounds. Times depend on the machine, ratios are to be quoted.

local M = {}

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

local function have(command)
  return os.execute("command -v " .. command .. " >/dev/null 2>&1") == true
end

M.has_python = have "python3"

local function ask(command)
  local pipe <close> = assert(io.popen(command))
  return tonumber((pipe:read("a"):match("[%d.e+-]+")))
end

--- Seconds an operation of row `name`, measured by python3 FILE NAME. Not from this folder: there
--- python would take our module for its own.
function M.python(file, name)
  local dir, base = file:match("^(.*)/([^/]*)$")
  return function()
    return M.has_python
      and ask(("cd %s && python3 %s '%s' 2>/dev/null"):format(dir, base, name)) or nil
  end
end

--- Seconds an operation, measured by a C program made from scripts/bench/NAME.c.
function M.c(name, argument)
  local program = "build/bench/" .. name
  os.execute(("mkdir -p build/bench && test %s -nt scripts/bench/%s.c 2>/dev/null || "
    .. "${CC:-cc} -O2 -o %s scripts/bench/%s.c -pthread"):format(program, name, program, name))
  return function() return ask(program .. " " .. argument) end
end

local function format(seconds)
  if not seconds then return "-" end
  if seconds < 1e-6 then return ("%.0f ns"):format(seconds * 1e9) end
  if seconds < 1e-3 then return ("%.1f us"):format(seconds * 1e6) end
  return ("%.2f ms"):format(seconds * 1e3)
end

local function measure(row, rounds)
  local times = { mplua = {}, python = {}, floor = {} }
  for _ = 1, rounds do
    for who, list in pairs(times) do
      local seconds = row[who] and row[who]()
      if seconds then list[#list + 1] = seconds end
    end
  end
  return median(times.mplua), median(times.python), median(times.floor)
end

--- Measures and prints rows: {name, mplua = f, python = f, floor = f, want = ratio}; each f returns
--- seconds an operation. "times" is python's time by ours; "floor" ours by the bare loop's.
function M.run(title, rows, rounds)
  print(("%-34s %10s %10s %7s %6s %10s %6s"):format(
    title, "mplua", "python3", "times", "want", "bare C", "floor"))
  for _, row in ipairs(rows) do
    local ours, python, floor = measure(row, rounds or 3)
    print(("%-34s %10s %10s %7s %6s %10s %6s"):format(row[1], format(ours), format(python),
      python and ("%.1f"):format(python / ours) or "-", row.want or "", format(floor),
      floor and ("%.2f"):format(ours / floor) or "-"))
  end
end

return M
