#!/usr/bin/env mplua
--- mandelbrot.lua: draws the Mandelbrot set into a PGM image, its rows on all cores
-- MIT licence, see LICENSE
--
-- usage: mplua mandelbrot.lua [--processes N] [--size PIXELS] [--compare] [FILE]
--
--   --processes N   workers (default: all processors)
--   --size PIXELS   width and height (default 600)
--   --compare       also without workers, and how much faster the workers were
--   FILE            the image (default: standard output, unless --compare)
--
-- Rows differ much in their work: the pool cuts them into chunks as it measures them.
--
-- Output (pattern):
--   parallel: [%d.]+ s with 2 processes
--   serial:   [%d.]+ s
--   speed%-up: [%d.]+, same image
-- Args: --compare --processes 2 --size 120

local mp = require "multiprocessing"

local LIMIT <const> = 300 -- iterations

local function escape_time(cx, cy)
  local x, y = 0.0, 0.0
  for n = 0, LIMIT - 1 do
    local xx, yy = x * x, y * y
    if xx + yy > 4 then return n end
    x, y = xx - yy + cx, 2 * x * y + cy
  end
  return LIMIT
end

--- One row of the image, a byte a pixel.
local function row(y, size)
  local bytes = {}
  local cy = (y - size / 2) * 2.5 / size
  for x = 1, size do
    local n = escape_time((x - size * 0.7) * 2.5 / size, cy)
    bytes[x] = string.char(n == LIMIT and 0 or 255 - n * 7 % 200)
  end
  return table.concat(bytes)
end

local function parallel(size, processes)
  local calls = {}
  for y = 1, size do calls[y] = { y, size } end
  local pool <close> = mp.Pool(processes)
  return table.concat(pool:starmap(row, calls, { progress = true }))
end

local function serial(size)
  local rows = {}
  for y = 1, size do rows[y] = row(y, size) end
  return table.concat(rows)
end

local function timed(f, ...)
  local began = mp.now()
  local image = f(...)
  return image, mp.now() - began
end

local function write(image, size, path)
  local file = path and assert(io.open(path, "wb")) or io.stdout
  file:write(("P5\n%d %d\n255\n"):format(size, size), image)
  if path then file:close() end
end

local function usage(message)
  io.stderr:write("mandelbrot: ", message, "\n",
    "usage: mandelbrot.lua [--processes N] [--size PIXELS] [--compare] [FILE]\n")
  os.exit(2)
end

local function parse(args)
  local o = { processes = mp.cpu_count(), size = 600 }
  local i = 1
  while i <= #args do
    local a = args[i]
    if a == "--processes" or a == "--size" then
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
  return o
end

local o = parse(arg)
local image, seconds = timed(parallel, o.size, o.processes)
if o.path or not o.compare then write(image, o.size, o.path) end
if o.compare then
  local other, alone = timed(serial, o.size)
  print(("parallel: %.2f s with %d processes"):format(seconds, o.processes))
  print(("serial:   %.2f s"):format(alone))
  print(("speed-up: %.2f, %s image"):format(alone / seconds,
    image == other and "same" or "ANOTHER"))
end
