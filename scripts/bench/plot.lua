--- plot.lua: draws what run.lua measured
-- MIT licence, see LICENSE
--
-- usage: mplua scripts/bench/plot.lua JSON > SVG
--
-- bench.json becomes bars (how many times python3's speed, on a logarithmic scale, and what is
-- wanted), bench-grow.json a chart with lines for each series.

local here <const> = arg[0]:match "^(.*)/[^/]*$" or "."
package.path = here .. "/../?.lua;" .. package.path

local cjson = require "cjson"
local report = require "bench.report"

local colour <const> = {
  reached = "#2c7a51", short = "#c2701c", free = "#5b7fa6", mplua = "#2c7a51", other = "#c2701c",
  limit = "#8a8f98", ink = "#20242a", faint = "#d7dbe0",
}

local out = {}

local escapes <const> = { ["<"] = "&lt;", [">"] = "&gt;", ["&"] = "&amp;" }

local function emit(format, ...) out[#out + 1] = format:format(...) end

local function text(x, y, s, more)
  emit('<text x="%.1f" y="%.1f" %s>%s</text>', x, y, more or "", (s:gsub("[<>&]", escapes)))
end

local function line(x1, y1, x2, y2, stroke, width)
  emit('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%g"/>',
    x1, y1, x2, y2, stroke, width or 1)
end

local function bar(x, y, width, height, fill)
  emit('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>', x, y, width, height, fill)
end

local right <const>, middle <const> = 'text-anchor="end"', 'text-anchor="middle"'
local bold <const>, small <const> = 'font-weight="bold"', 'font-size="11"'

local function document(width, height)
  return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" '
    .. 'font-family="sans-serif" font-size="12.5" fill="%s">\n'
    .. '<rect width="%d" height="%d" fill="#ffffff"/>\n%s\n</svg>\n'):format(
    width, height, width, height, colour.ink, width, height, table.concat(out, "\n"))
end

local function machine(run, x, y)
  for s in report.machine(run):gmatch "[^\n]+" do
    text(x, y, s, small)
    y = y + 15
  end
  return y
end

-- bars

local width <const>, left <const>, span <const>, pitch <const> = 900, 300, 390, 19
local least <const>, most <const> = 0.5, 200 -- times

local function at(times)
  times = math.max(least, math.min(most, times))
  return left + span * math.log(times / least) / math.log(most / least)
end

local function scale(from, to)
  for _, times in ipairs { 0.5, 1, 2, 5, 10, 20, 50, 100, 200 } do
    line(at(times), from, at(times), to, colour.faint, times == 1 and 2 or 1)
    text(at(times), from - 6, ("%gx"):format(times), small .. " " .. middle)
  end
end

local function bar_colour(row)
  if row.reached == nil then return colour.free end
  return row.reached and colour.reached or colour.short
end

local function row_bar(row, y)
  text(left - 8, y + 12, row.name, right)
  local from, to = at(1), at(row.times)
  bar(math.min(from, to), y + 3, math.max(1, math.abs(to - from)), pitch - 7, bar_colour(row))
  local label = math.max(from, to) + 6
  if row.wanted then
    local mark = at(row.wanted)
    line(mark, y + 1, mark, y + pitch - 2, colour.ink, 2)
    if mark > label - 6 and mark < label + 26 then label = mark + 6 end
  end
  text(label, y + 12, (row.times < 10 and "%.1f" or "%.0f"):format(row.times), small)
  text(width - 95, y + 12, report.figure(row.mplua, row.unit), right)
  text(width - 10, y + 12, report.figure(row.other, row.unit), right)
end

local function compared(group)
  local rows = {}
  for _, row in ipairs(group.rows) do
    if row.times then rows[#rows + 1] = row end
  end
  return rows
end

local function group_bars(group, y)
  local rows = compared(group)
  if #rows == 0 then return y end
  text(10, y + 14, group.title, bold)
  text(width - 95, y + 14, "mplua", small .. " " .. right)
  text(width - 10, y + 14, group.other, small .. " " .. right)
  y = y + pitch
  for _, row in ipairs(rows) do
    row_bar(row, y)
    y = y + pitch
  end
  return y + 8
end

local function bars(run)
  local top <const> = 52
  text(10, 20, "How many times as fast as the other one; a black mark is what is wanted", bold)
  local height = top
  for _, group in ipairs(run.groups) do
    local n = #compared(group)
    height = height + (n > 0 and pitch * (n + 1) + 8 or 0)
  end
  scale(top, height)
  local y = top
  for _, group in ipairs(run.groups) do y = group_bars(group, y) end
  return document(width, machine(run, 10, y + 14))
end

-- charts

local columns <const>, chart_width <const>, chart_height <const> = 3, 300, 236
local sides <const> = { "limit", "other", "mplua" }

-- from which to which power of ten
local function extent(list)
  local low, high = math.huge, 0
  for _, x in ipairs(list) do low, high = math.min(low, x), math.max(high, x) end
  return math.floor(math.log(low, 10)), math.ceil(math.log(high, 10))
end

-- a logarithmic axis from low to high, drawn from `from` to `to`
local function axis(low, high, from, to)
  return function(x) return from + (to - from) * math.log(x / low) / math.log(high / low) end
end

local function figures(rows)
  local sizes, times = {}, {}
  for _, row in ipairs(rows) do
    sizes[#sizes + 1] = row.size
    for _, side in ipairs(sides) do times[#times + 1] = row[side] end
  end
  return sizes, times
end

local function curve(rows, side, to_x, to_y)
  local points = {}
  for _, row in ipairs(rows) do
    local y = row[side]
    if y then points[#points + 1] = ("%.1f,%.1f"):format(to_x(row.size), to_y(y)) end
  end
  emit('<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>',
    table.concat(points, " "), colour[side])
end

local function chart(group, x, y)
  local rows = group.rows
  local sizes, times = figures(rows)
  local low, high = extent(times)
  local x1, x2, y1, y2 = x + 62, x + chart_width - 24, y + chart_height - 48, y + 40
  local to_x = axis(sizes[1], math.max(sizes[#sizes], sizes[1] + 1), x1, x2)
  local to_y = axis(10.0 ^ low, 10.0 ^ high, y1, y2)
  text(x + 10, y + 22, group.title, bold)
  for power = low, high do
    line(x1, to_y(10.0 ^ power), x2, to_y(10.0 ^ power), colour.faint)
    text(x1 - 6, to_y(10.0 ^ power) + 4, report.round(10.0 ^ power), small .. " " .. right)
  end
  for i, row in ipairs(rows) do
    line(to_x(row.size), y1, to_x(row.size), y1 + 4, colour.ink)
    if i == 1 or i == #rows or i == (#rows + 1) // 2 then
      text(to_x(row.size), y1 + 17, row.name, small .. " " .. middle)
    end
  end
  line(x1, y1, x2, y1, colour.ink)
  text((x1 + x2) / 2, y1 + 33, group.axis, small .. " " .. middle)
  for _, side in ipairs(sides) do curve(rows, side, to_x, to_y) end
end

local function charts(run)
  local x = 10
  for _, key in ipairs { { "mplua", "mplua" }, { "other", "python3" },
    { "limit", "the machine itself, in C" } } do
    bar(x, 12, 14, 10, colour[key[1]])
    text(x + 20, 22, key[2])
    x = x + 100
  end
  for i, group in ipairs(run.groups) do
    chart(group, (i - 1) % columns * chart_width, 30 + (i - 1) // columns * chart_height)
  end
  local bottom = 30 + ((#run.groups - 1) // columns + 1) * chart_height
  return document(columns * chart_width, machine(run, 10, bottom + 14))
end

local file <close> = assert(io.open(arg[1] or "build/bench.json"))
local run <const> = cjson.decode(file:read "a")
io.write(run.groups[1] and run.groups[1].axis and charts(run) or bars(run))
