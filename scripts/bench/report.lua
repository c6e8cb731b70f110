--- report.lua: the benchmarks' table as text, Markdown and JSON
-- MIT licence, see LICENSE

local M = {}

local function time(seconds)
  if seconds < 1e-6 then return ("%.1f ns"):format(seconds * 1e9) end
  if seconds < 1e-3 then return ("%.1f us"):format(seconds * 1e6) end
  if seconds < 1 then return ("%.2f ms"):format(seconds * 1e3) end
  return ("%.2f s"):format(seconds)
end

--- A power of ten of a second: "100 us".
function M.round(seconds)
  return (time(seconds * 1.0001):gsub("%.%d+", ""))
end

--- A figure with its unit, "-" for none.
function M.figure(x, unit)
  if not x then return "-" end
  if unit == "s" then return time(x) end
  return ("%.4g %s"):format(x, unit)
end

local function factor(x)
  return x and ((x < 10 and "%.2f" or x < 100 and "%.1f" or "%.0f"):format(x)) or "-"
end

--- What is wanted of a row, in words: "8x", "8x, 1.6 limit", "<= 200 KiB".
function M.wanted(row)
  local words = {}
  local function add(format, ...) words[#words + 1] = format:format(...) end
  if row.wanted then add("%gx", row.wanted) end
  if row.wanted_of_limit then add("%g limit", row.wanted_of_limit) end
  if row.at_most then add("<= %s", M.figure(row.at_most, row.unit)) end
  if row.at_least then add(">= %s", M.figure(row.at_least, row.unit)) end
  return table.concat(words, ", ")
end

local function cells(row)
  local reached = ""
  if row.reached ~= nil then reached = row.reached and "yes" or "no" end
  return {
    row.name, M.figure(row.mplua, row.unit), M.figure(row.other, row.unit),
    factor(row.times), M.wanted(row), reached,
    M.figure(row.limit, row.unit), factor(row.of_limit),
  }
end

local function head(group)
  local title = group.axis and ("%s, by %s"):format(group.title, group.axis) or group.title
  return { title, "mplua", group.other, "times", "wanted", "reached", "limit", "of limit" }
end

local text_line <const> = "%-42s %10s %10s %7s %14s %7s %10s %8s"

--- A line of the text table, for a row or (as its head) for a group.
function M.text(row)
  return text_line:format(table.unpack(row.title and head(row) or cells(row)))
end

--- The machine and the versions, a line each.
function M.machine(run)
  local m = run.machine
  return ("%s\n%s, %d processors, %s memory, Linux %s\n%s; python3 %s\n"):format(
    run.date, m.model, m.cpus, m.memory, m.kernel, run.mplua, run.python or "-")
end

--- "47 of 52 wanted figures reached", "" when nothing was wanted.
function M.summary(run)
  local reached, all = 0, 0
  for _, group in ipairs(run.groups) do
    for _, row in ipairs(group.rows) do
      if row.reached ~= nil then all = all + 1 end
      if row.reached then reached = reached + 1 end
    end
  end
  return all == 0 and "" or ("%d of %d wanted figures reached"):format(reached, all)
end

--- The whole as Markdown.
function M.markdown(run)
  local out = { M.machine(run):gsub("\n(.)", "  \n%1") .. "" }
  local function line(list) out[#out + 1] = "| " .. table.concat(list, " | ") .. " |" end
  for _, group in ipairs(run.groups) do
    line(head(group))
    out[#out + 1] = "|---|--:|--:|--:|--:|:-:|--:|--:|"
    for _, row in ipairs(group.rows) do line(cells(row)) end
    out[#out + 1] = ""
  end
  out[#out + 1] = M.summary(run)
  return table.concat(out, "\n") .. "\n"
end

--- Writes `text` into the file at `path`.
function M.write(path, text)
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(text))
end

--- Writes `run` as JSON; false where there is no lua-cjson.
function M.json(path, run)
  local has_cjson, cjson = pcall(require, "cjson")
  if not has_cjson then return false end
  M.write(path, cjson.encode(run) .. "\n")
  return true
end

return M
