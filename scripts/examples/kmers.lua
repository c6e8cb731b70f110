#!/usr/bin/env mplua
--- kmers.lua: counts the k-mers of a FASTA file, on all cores
-- MIT licence, see LICENSE
--
-- usage: mplua kmers.lua [--processes N] [--k K] [--top N] [--compare] [FILE]
--
--   --processes N   workers (default: all processors)
--   --k K           length (default 8)
--   --top N         how many are shown (default 10)
--   --compare       also without workers, and how much faster the workers were
--   FILE            FASTA (default: a made-up genome of two million bases)
--
-- The file is read once, in pieces that overlap by K - 1 bases, while the workers count: imap
-- draws the pieces as they are needed, so a file of any size takes little memory.
--
-- Output (pattern):
--   2000000 bases, 1999996 5%-mers, 1024 different
--   %s+%d+  [ACGT]+
--   %s+%d+  [ACGT]+
--   parallel: [%d.]+ s with 2 processes
--   serial:   [%d.]+ s
--   speed%-up: [%d.]+, same result
-- Args: --compare --processes 2 --k 5 --top 2

local mp = require "multiprocessing"

local PIECE <const> = 64 * 1024 -- bases

--- What a worker does.
local function count(piece, k)
  local counts = {}
  for i = 1, #piece - k + 1 do
    local kmer = piece:sub(i, i + k - 1)
    counts[kmer] = (counts[kmer] or 0) + 1
  end
  return counts
end

-- pieces --------------------------------------------------------------------------------------

-- An iterator over the sequences of the lines, each in pieces that overlap by k - 1.
local function pieces(lines, k, seen)
  local held = "" -- what was read of the sequence, and not given yet
  local ended, is_next = false, false
  local function fill()
    local parts, size = { held }, #held
    while size < PIECE do
      local line = lines()
      if not line or line:sub(1, 1) == ">" then
        ended, is_next = not line, true
        break
      end
      parts[#parts + 1] = line:upper()
      size, seen.bases = size + #line, seen.bases + #line
    end
    held = table.concat(parts)
  end
  return function()
    local piece
    repeat
      if ended and is_next then return nil end
      is_next = false
      fill()
      piece = held
      held = (is_next or k == 1) and "" or held:sub(1 - k)
    until #piece >= k
    return { piece, k }
  end
end

-- Lines of a genome, the same each time.
local function make_up(bases)
  local letters = { "A", "C", "G", "T" }
  local state, lines = 42, {}
  while bases > 0 do
    local line = {}
    for i = 1, math.min(60, bases) do
      state = (state * 1103515245 + 12345) % 2147483648
      line[i] = letters[(state >> 16) % 4 + 1]
    end
    lines[#lines + 1] = table.concat(line)
    bases = bases - #line
  end
  return lines
end

local function each(list)
  local i = 0
  return function()
    i = i + 1
    return list[i]
  end
end

-- both ways -----------------------------------------------------------------------------------

local function add(sum, counts)
  for kmer, n in pairs(counts) do
    if not kmer:find("[^ACGT]") then sum[kmer] = (sum[kmer] or 0) + n end
  end
end

local function parallel(lines, o)
  local sum, seen = {}, { bases = 0 }
  local pool <close> = mp.Pool(o.processes)
  local next_piece = pieces(lines, o.k, seen)
  local function call(args) return count(args[1], args[2]) end
  for _, counts in pool:imap_unordered(call, next_piece) do add(sum, counts) end
  return sum, seen.bases
end

local function serial(lines, o)
  local sum, seen = {}, { bases = 0 }
  for args in pieces(lines, o.k, seen) do add(sum, count(args[1], args[2])) end
  return sum, seen.bases
end

local function timed(f, o)
  local lines = o.path and io.lines(o.path) or each(o.lines)
  local began = mp.now()
  local sum, bases = f(lines, o)
  return sum, bases, mp.now() - began
end

local function report(sum, bases, o)
  local list, total = {}, 0
  for kmer, n in pairs(sum) do
    list[#list + 1] = { kmer, n }
    total = total + n
  end
  table.sort(list, function(a, b)
    if a[2] ~= b[2] then return a[2] > b[2] end
    return a[1] < b[1]
  end)
  print(("%d bases, %d %d-mers, %d different"):format(bases, total, o.k, #list))
  for i = 1, math.min(o.top, #list) do print(("%9d  %s"):format(list[i][2], list[i][1])) end
end

local function same(a, b)
  for kmer, n in pairs(a) do if b[kmer] ~= n then return false end end
  for kmer in pairs(b) do if not a[kmer] then return false end end
  return true
end

-- the command line ----------------------------------------------------------------------------

local function usage(message)
  io.stderr:write("kmers: ", message, "\n",
    "usage: kmers.lua [--processes N] [--k K] [--top N] [--compare] [FILE]\n")
  os.exit(2)
end

local function parse(args)
  local o = { processes = mp.cpu_count(), k = 8, top = 10 }
  local i = 1
  while i <= #args do
    local a = args[i]
    if a == "--processes" or a == "--k" or a == "--top" then
      local n = math.tointeger(tonumber(args[i + 1]))
      if not n or n < 1 then usage(a .. " needs a positive number") end
      o[a:sub(3)], i = n, i + 1
    elseif a == "--compare" then
      o.compare = true
    elseif a:sub(1, 1) == "-" or o.path then
      usage("unknown argument " .. a)
    else
      o.path = a
    end
    i = i + 1
  end
  local file, reason = io.open(o.path or "/dev/null")
  if not file then usage(reason) end
  file:close()
  return o
end

local o = parse(arg)
if not o.path then o.lines = make_up(2000000) end
local sum, bases, seconds = timed(parallel, o)
report(sum, bases, o)
if o.compare then
  local other, _, alone = timed(serial, o)
  print(("parallel: %.2f s with %d processes"):format(seconds, o.processes))
  print(("serial:   %.2f s"):format(alone))
  print(("speed-up: %.2f, %s result"):format(alone / seconds,
    same(sum, other) and "same" or "ANOTHER"))
end
