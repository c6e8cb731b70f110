--- run.lua: the twenty probes with python3 and with mplua, side by side, as a markdown table
-- MIT licence, see LICENSE
--
-- usage: mplua scripts/probes/run.lua [ROUNDS [SECONDS]]     default: 3 rounds, deadline 20 s each
--
-- What is told is the worst of the rounds. A probe that is not at its end by the deadline hangs.

local mp = require "multiprocessing"

local rounds, deadline = tonumber(arg[1]) or 3, tonumber(arg[2]) or 20
local folder = arg[0]:match "^(.*)/" or "."
local interpreter = arg[-1]

local function output_of(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read "a"
end

if interpreter:find "/" then interpreter = output_of("realpath " .. interpreter):sub(1, -2) end

-- Not from the current folder: python would take our module for its own.
local commands <const> = {
  python = ("cd %s && timeout -s KILL %%g python3 probes.py %%s"):format(folder),
  mplua = ("cd %s && timeout -s KILL %%g %s probes.lua %%s"):format(folder, interpreter),
}

local ranks <const> = { hangs = 3, wrong = 2, ["goes on"] = 1 }

-- One round of one probe -> what it said.
local function probe(who, name)
  local command = commands[who]:format(deadline, name)
  local text = output_of("{ " .. command .. "; echo $?; } 2>/dev/null")
  local said, status = text:match "^(.-)\n?(%d+)\n$"
  if status == "137" then return "hangs" end
  return ranks[said:match "^(.-):"] and said or "wrong: no word, status " .. status
end

-- -> the worst of a probe's rounds, and how many were as bad
local function worst(said)
  local rank, text, count = 0, nil, 0
  for _, s in ipairs(said) do
    local r = ranks[s:match "^[^:]+"]
    if r > rank then rank, text, count = r, s, 0 end
    if r == rank then count = count + 1 end
  end
  return text, count
end

local function names_of()
  local names = {}
  for name in output_of(interpreter .. " " .. folder .. "/probes.lua"):gmatch "%S+" do
    names[#names + 1] = name
  end
  return names
end

-- Runs all, several at a time: they sleep most of the time.
local function run_all(names)
  local pool <close> = mp.Pool(4)
  local results = {}
  for _, who in ipairs { "python", "mplua" } do
    for _, name in ipairs(names) do
      local key = who .. " " .. name
      results[key] = {}
      for i = 1, rounds do results[key][i] = pool:apply_async(probe, { who, name }) end
    end
  end
  for _, list in pairs(results) do
    for i, r in ipairs(list) do list[i] = r:get() end
  end
  return results
end

local function main()
  local version = output_of("cd " .. folder .. " && python3 probes.py >/dev/null 2>&1 "
    .. "&& python3 --version"):match "Python ([%d.]+)"
  if not version then error("python3 with its multiprocessing is needed", 0) end
  local names = names_of()
  local results, counts = run_all(names), { python = {}, mplua = {} }
  print(("| fault | python3 %s | mplua |\n|---|---|---|"):format(version))
  for _, name in ipairs(names) do
    local cells = {}
    for i, who in ipairs { "python", "mplua" } do
      local text, count = worst(results[who .. " " .. name])
      local verdict = text:match "^[^:]+"
      counts[who][verdict] = (counts[who][verdict] or 0) + 1
      cells[i] = text:gsub("^%a+", "**%0**", ranks[verdict] > 1 and 1 or 0)
        .. (count < rounds and (" (%d of %d times)"):format(count, rounds) or "")
    end
    print(("| %s | %s | %s |"):format(name:gsub("_", " "), cells[1], cells[2]))
  end
  print()
  for _, who in ipairs { "python", "mplua" } do
    local c = counts[who]
    print(("%s: %d hang, %d go wrong, %d go on"):format(
      who == "python" and "python3" or who, c.hangs or 0, c.wrong or 0, c["goes on"] or 0))
  end
end

main()
