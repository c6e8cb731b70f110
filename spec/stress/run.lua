--- run.lua: all kill storms, one after the other, and what they say in one table
-- MIT licence, see LICENSE
--
-- usage: mplua spec/stress/run.lua [SECONDS = 60 [ROOM...]]      SEED in the environment
--
-- Each room has its share of the time, in a process of its own. A storm that finds a fault, hangs
-- or ends in any other way than it should has failed; its seed is in the table. The last line
-- counts: "N passed, N failed".

local rooms <const> = { "queue", "sync", "manager", "store", "pool", "start" }
local FORMAT <const> = "%-8s %10s %12s %7s %19s %12s"

local seconds = tonumber(arg[1]) or 60
local chosen = #arg > 1 and table.pack(table.unpack(arg, 2)) or rooms
local share = seconds / #chosen

-- -> the storm's closing line, all that it printed, the exit code
local function run(room)
  local command = ("timeout -k 5 %d %s spec/stress/%s.lua %g 2>&1 </dev/null"):format(
    math.ceil(share) + 120, arg[-1], room, share)
  local pipe <close> = assert(io.popen(command))
  local text = pipe:read "a"
  local _, how, status = pipe:close()
  return text:match("[^\n]+ seed %d+") or "", text, how == "exit" and status or -status
end

local table_lines = { FORMAT:format("room", "kills", "operations", "faults", "slowest recovery",
  "seed") }
local passed, failed = 0, 0
for _, room in ipairs(chosen) do
  local line, text, status = run(room)
  local kills, operations, faults, slowest, seed = line:match(
    ": (%d+) kills, (%d+) operations, (%d+) faults, slowest recovery (%S+) ms, seed (%d+)")
  local good = status == 0 and faults == "0" and kills ~= "0"
  passed, failed = passed + (good and 1 or 0), failed + (good and 0 or 1)
  if not good then print(("%s failed, status %d:\n%s"):format(room, status, text)) end
  table_lines[#table_lines + 1] = FORMAT:format(room, kills or "?", operations or "?",
    faults or "?", (slowest or "?") .. " ms", seed or "?")
end
print(table.concat(table_lines, "\n"))
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0)
