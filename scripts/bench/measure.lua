--- measure.lua: measures rows in turns, and says whether a row reached what was wanted
-- MIT licence, see LICENSE
--
-- A row is {NAME, mplua = , other = , limit = , ...}. Each of the three is a function of n that
-- takes n turns and returns seconds a turn, or a line for a peer program (peer.lua), which does the
-- same. Its further fields:
--   n          turns a round; without it, as many as fill the time of a round
--   step       turns go in such steps
--   slow       python3 takes seconds for it: not with --quick
--   unit       of a figure that is no time; how it is measured is then the row's own affair
--   wanted     how many times the other one's time ours is wanted to be at least
--   of_limit   how many times the limit it may take at most
--   at_most, at_least   for the figure itself

local M = {}

local sides <const> = { "mplua", "other", "limit" }

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

local function in_steps(row, n)
  local step = row.step or 1
  return math.max(1, (math.floor(n) + step - 1) // step) * step
end

-- How many turns take about `seconds`, and what one takes; nil when the row cannot be measured. It
-- goes up in steps: of a few turns much is beginning and end. It serves as warm-up, too.
local function turns(row, f, seconds)
  local n = in_steps(row, row.n or 1)
  while true do
    local turn = f(n)
    if not turn or row.n or row.unit then return turn and n, turn end
    local estimate = seconds / math.max(turn, 1e-10)
    if turn * n >= seconds / 2 then return in_steps(row, estimate), turn end
    n = in_steps(row, math.min(16 * n, math.max(2 * n, estimate)))
  end
end

local function runner(row, side, peers)
  local what = row[side]
  if type(what) ~= "string" then return what end
  return peers[side] and function(n) return peers[side]:ask(what, n) end
end

--- A row's figures: {mplua = , other = , limit = }, the medians of `rounds` rounds in turns (0:
--- what the warm-up says). Each side takes about `seconds` a round. `peers.other` and `peers.limit`
--- answer lines.
function M.measure(row, peers, rounds, seconds)
  local f, n, times = {}, {}, {}
  for _, side in ipairs(sides) do
    f[side] = runner(row, side, peers)
    collectgarbage()
    local warm
    if f[side] then n[side], warm = turns(row, f[side], seconds) end
    times[side] = { rounds == 0 and warm or nil }
  end
  for _ = 1, rounds do
    for side, turns_a_round in pairs(n) do
      collectgarbage()
      table.insert(times[side], f[side](turns_a_round))
    end
  end
  return { mplua = median(times.mplua), other = median(times.other), limit = median(times.limit) }
end

local function is_reached(row, result)
  local checks = {
    { row.wanted, result.times, true }, { row.of_limit, result.of_limit, false },
    { row.at_least, result.mplua, true }, { row.at_most, result.mplua, false },
  }
  local reached
  for i = 1, 4 do
    local want, have, is_least = table.unpack(checks[i], 1, 3)
    if want and have then
      reached = reached ~= false and (is_least and have >= want or not is_least and have <= want)
    end
  end
  return reached
end

--- Figures with what follows from them: times (the other one's by ours), of_limit (ours by the
--- limit's) and reached (nil when nothing was wanted, or could not be compared).
function M.judge(row, figures)
  local mplua, other, limit = figures.mplua, figures.other, figures.limit
  local result = {
    name = row[1], size = row.size, unit = row.unit or "s",
    mplua = mplua, other = other, limit = limit,
    wanted = row.wanted, wanted_of_limit = row.of_limit,
    at_most = row.at_most, at_least = row.at_least,
    times = mplua and other and not row.at_least and other / mplua or nil,
    of_limit = mplua and limit and limit > 0 and mplua / limit or nil,
  }
  result.reached = is_reached(row, result)
  return result
end

return M
