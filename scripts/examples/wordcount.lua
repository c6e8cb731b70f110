#!/usr/bin/env mplua
--- wordcount.lua: counts the words of all text files below some folders, on all cores
-- MIT licence, see LICENSE
--
-- usage: mplua wordcount.lua [--processes N] [--serial] [--compare] [--top K] [PATH...]
--
--   --processes N   workers (default: all processors)
--   --serial        no workers: the same work in this process
--   --compare       both ways, and how much faster the first was
--   --top K         how many words are shown (default 10)
--   PATH            folders or files (default: /usr/share/doc /usr/share/common-licenses)
--
-- Compressed files (*.gz) are skipped. What cannot be read is named on stderr, and the rest is
-- done; the exit code is then 1 if nothing at all could be counted.
--
-- Output (pattern):
--   %d+ files, [%d.]+ MB, %d+ words, %d+ different
--   %s+%d+  %S+
--   %s+%d+  %S+
--   %s+%d+  %S+
--   parallel: [%d.]+ s with %d+ processes
--   serial:   [%d.]+ s
--   speed%-up: [%d.]+, same result
-- Args: --compare --processes 2 --top 3 /usr/share/common-licenses

local mp = require "multiprocessing"

local DEFAULT_PATHS <const> = { "/usr/share/doc", "/usr/share/common-licenses" }
local SMALLEST_BATCH <const> = 512 * 1024 -- bytes

-- the work: one batch of files ----------------------------------------------------------------

local function read(path)
  local file <close>, reason = io.open(path, "rb")
  if not file then return nil, reason end
  local text, why = file:read("a")
  if not text then return nil, path .. ": " .. why end
  if text:find("\0", 1, true) then return nil, path .. ": binary file, skipped" end
  return text
end

local function count_into(words, text)
  local n = 0
  for word in text:lower():gmatch("[%a\128-\255]+") do
    words[word] = (words[word] or 0) + 1
    n = n + 1
  end
  return n
end

--- What a worker does: counts the words of some files.
local function count_batch(paths)
  local result = { files = 0, bytes = 0, total = 0, words = {}, problems = {} }
  for _, path in ipairs(paths) do
    local text, problem = read(path)
    if text then
      result.files = result.files + 1
      result.bytes = result.bytes + #text
      result.total = result.total + count_into(result.words, text)
    else
      table.insert(result.problems, problem)
    end
  end
  return result
end

-- what is to be done --------------------------------------------------------------------------

local function quote(s)
  return "'" .. s:gsub("'", "'\\''") .. "'"
end

--- Files below the paths as a list of {path, size}; problems as a list of lines.
local function find_files(paths)
  local files, problems = {}, {}
  for _, path in ipairs(paths) do
    local command = ("find -H %s -type f ! -name '*.gz' -printf '%%s %%p\\0' 2>&1"):format(
      quote(path))
    local pipe <close> = assert(io.popen(command))
    for entry in pipe:read("a"):gmatch("[^\0]+") do
      entry = entry:gsub("find: ([^\n]*)\n", function(problem) -- before the entry, or alone
        table.insert(problems, problem)
        return ""
      end)
      local size, name = entry:match("^(%d+) (.*)$")
      if size then table.insert(files, { path = name, size = tonumber(size) }) end
    end
  end
  return files, problems
end

--- Batches of files, large ones first: each takes its share of what is left, so the last ones are
-- small and all processes end at about the same time, and there are few of them to merge.
local function make_batches(files, processes)
  local left = 0
  for _, file in ipairs(files) do left = left + file.size end
  local batches, room = {}, 0
  for _, file in ipairs(files) do
    if room <= 0 then
      table.insert(batches, {})
      room = math.max(left // (processes * 2), SMALLEST_BATCH)
    end
    table.insert(batches[#batches], file.path)
    room, left = room - file.size, left - file.size
  end
  return batches
end

-- both ways to do it --------------------------------------------------------------------------

local function parallel(batches, processes)
  local pool <close> = mp.Pool(processes)
  return pool:map(count_batch, batches, { chunksize = 1, progress = true })
end

local function serial(batches)
  local results = {}
  for i, batch in ipairs(batches) do results[i] = count_batch(batch) end
  return results
end

--- So that both find the files in memory.
local function read_once(batches)
  for _, batch in ipairs(batches) do
    for _, path in ipairs(batch) do read(path) end
  end
  collectgarbage()
end

local function merge(results)
  local sum = { files = 0, bytes = 0, total = 0, words = {}, problems = {} }
  local words = sum.words
  for _, r in ipairs(results) do
    sum.files, sum.bytes = sum.files + r.files, sum.bytes + r.bytes
    sum.total = sum.total + r.total
    for word, n in pairs(r.words) do words[word] = (words[word] or 0) + n end
    table.move(r.problems, 1, #r.problems, #sum.problems + 1, sum.problems)
  end
  return sum
end

local function timed(run, ...)
  local start = mp.now()
  local sum = merge(run(...))
  return sum, mp.now() - start
end

local function same(a, b)
  if a.total ~= b.total or a.files ~= b.files then return false end
  for word, n in pairs(a.words) do
    if b.words[word] ~= n then return false end
  end
  return true
end

-- the report ----------------------------------------------------------------------------------

local function by_count(words)
  local list = {}
  for word, n in pairs(words) do table.insert(list, { word = word, n = n }) end
  table.sort(list, function(a, b)
    if a.n ~= b.n then return a.n > b.n end
    return a.word < b.word
  end)
  return list
end

local function report(sum, top)
  local list = by_count(sum.words)
  print(("%d files, %.1f MB, %d words, %d different"):format(
    sum.files, sum.bytes / 1e6, sum.total, #list))
  for i = 1, math.min(top, #list) do print(("%9d  %s"):format(list[i].n, list[i].word)) end
end

local function complain(problems)
  for _, line in ipairs(problems) do io.stderr:write("wordcount: ", line, "\n") end
end

-- the command line ----------------------------------------------------------------------------

local function usage(message)
  io.stderr:write("wordcount: ", message, "\n",
    "usage: wordcount.lua [--processes N] [--serial] [--compare] [--top K] [PATH...]\n")
  os.exit(2)
end

local function number_after(args, i, least)
  local n = math.tointeger(tonumber(args[i + 1]))
  if not n or n < least then usage(args[i] .. " needs a number, at least " .. least) end
  return n
end

local function parse(args)
  local options = { top = 10, processes = mp.cpu_count(), paths = {} }
  local i = 1
  while i <= #args do
    local a = args[i]
    if a == "--processes" then
      options.processes, i = number_after(args, i, 1), i + 1
    elseif a == "--top" then
      options.top, i = number_after(args, i, 0), i + 1
    elseif a == "--serial" or a == "--compare" then
      options[a:sub(3)] = true
    elseif a:sub(1, 1) == "-" then
      usage("unknown option " .. a)
    else
      table.insert(options.paths, a)
    end
    i = i + 1
  end
  if #options.paths == 0 then options.paths = DEFAULT_PATHS end
  return options
end

local options = parse(arg)
local files, problems = find_files(options.paths)
complain(problems)
local batches = make_batches(files, options.processes)
if options.compare then read_once(batches) end

local run = options.serial and serial or parallel
local sum, seconds = timed(run, batches, options.processes)
complain(sum.problems)
report(sum, options.top)
if options.serial then
  print(("serial:   %.2f s"):format(seconds))
else
  print(("parallel: %.2f s with %d processes"):format(seconds, options.processes))
end
if options.compare then
  local sum1, seconds1 = timed(serial, batches)
  print(("serial:   %.2f s"):format(seconds1))
  print(("speed-up: %.2f, %s"):format(seconds1 / seconds,
    same(sum, sum1) and "same result" or "DIFFERENT RESULTS"))
  if not same(sum, sum1) then os.exit(1) end
end
if sum.files == 0 then os.exit(1) end
