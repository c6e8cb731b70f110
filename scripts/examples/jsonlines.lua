#!/usr/bin/env mplua
--- jsonlines.lua: transforms JSON lines from stdin to stdout, in order, on all cores
-- MIT licence, see LICENSE
--
-- usage: mplua jsonlines.lua [--processes N] [--add NAME=LUA]... [--compare LINES] < IN > OUT
--
--   --processes N      workers (default: all processors)
--   --add NAME=LUA     each object gets this field: an expression of its fields
--                      (--add 'full=first .. " " .. last'); none: line and byte counts of it
--   --compare LINES    so many made-up lines instead of stdin, also without workers, and how
--                      much faster the workers were
--
-- imap keeps the order and draws lines as results are taken, so a stream of any
-- length runs in little memory. A line that is no JSON is named on stderr and left out.
--
-- Needs: cjson
-- Output (pattern):
--   parallel: [%d.]+ s with 2 processes
--   serial:   [%d.]+ s
--   speed%-up: [%d.]+, same lines
-- Args: --compare 4000 --processes 2 --add sum=a+b*2

local mp = require "multiprocessing"

local CHUNK <const> = 64 -- lines that travel together

--- A function from line to line; made in each worker from what it is told.
local function make_transform(fields)
  local cjson = require "cjson"
  local makers = {}
  for name, code in pairs(fields) do
    makers[name] = function(object)
      return assert(load("return " .. code, "=" .. name, "t", setmetatable({}, {
        __index = function(_, k) return object[k] == nil and _G[k] or object[k] end })))()
    end
  end
  return function(line)
    local object = cjson.decode(line)
    for name, make in pairs(makers) do object[name] = make(object) end
    if not next(makers) then object.bytes = #line end
    return cjson.encode(object)
  end
end

--- What a worker does.
local function transform(line)
  return TRANSFORM(line) -- luacheck: ignore (a global of the worker's, see below)
end

local function start(o)
  return mp.Pool(o.processes, function(make, fields)
    TRANSFORM = make(fields) -- luacheck: ignore
  end, { make_transform, o.fields })
end

local function parallel(lines, o, write)
  local pool <close> = start(o)
  local it = pool:imap(transform, lines, CHUNK)
  local n = 0
  repeat
    n = n + 1
    local ok, i, result = pcall(it.next, it)
    if not ok and not mp.iserror(i, "RemoteError") then error(i, 0) end
    if not ok then io.stderr:write(("jsonlines: line %d: %s\n"):format(n, i.message)) end
    if ok and i then write(result) end
  until ok and not i
end

local function serial(lines, o, write)
  local f = make_transform(o.fields)
  local n = 0
  for line in lines do
    n = n + 1
    local ok, result = pcall(f, line)
    if ok then
      write(result)
    else
      io.stderr:write(("jsonlines: line %d: %s\n"):format(n, result))
    end
  end
end

-- comparing -----------------------------------------------------------------------------------

local function made_up(n)
  local i = 0
  return function()
    i = i + 1
    if i > n then return nil end
    return ('{"a":%d,"b":%d,"list":[%s1],"text":"%s"}'):format(i, i * 7 % 1000,
      ("1.5,"):rep(i % 40), ("word "):rep(i % 30))
  end
end

local function timed(f, o)
  local list = {}
  local began = mp.now()
  f(made_up(o.compare), o, function(line) list[#list + 1] = line end)
  return list, mp.now() - began
end

-- fields may come in any order
local function same(a, b)
  local cjson = require "cjson"
  if #a ~= #b then return false end
  for i = 1, #a do
    local x, y = cjson.decode(a[i]), cjson.decode(b[i])
    if x.a ~= y.a or x.sum ~= y.sum or x.text ~= y.text or #x.list ~= #y.list then return false end
  end
  return true
end

local function compare(o)
  local ours, seconds = timed(parallel, o)
  local others, alone = timed(serial, o)
  print(("parallel: %.2f s with %d processes"):format(seconds, o.processes))
  print(("serial:   %.2f s"):format(alone))
  print(("speed-up: %.2f, %s lines"):format(alone / seconds,
    same(ours, others) and "same" or "OTHER"))
end

-- the command line ----------------------------------------------------------------------------

local function usage(message)
  io.stderr:write("jsonlines: ", message, "\n",
    "usage: jsonlines.lua [--processes N] [--add NAME=LUA]... [--compare LINES] < IN > OUT\n")
  os.exit(2)
end

local function parse(args)
  local o = { processes = mp.cpu_count(), fields = {} }
  for i = 1, #args, 2 do
    local a, value = args[i], args[i + 1]
    if a == "--processes" or a == "--compare" then
      local n = math.tointeger(tonumber(value))
      if not n or n < 1 then usage(a .. " needs a positive number") end
      o[a:sub(3)] = n
    elseif a == "--add" then
      local name, code = (value or ""):match "^([%w_]+)=(.+)$"
      if not name then usage "--add needs NAME=LUA" end
      local ok, reason = load("return " .. code)
      if not ok then usage(reason) end
      o.fields[name] = code
    else
      usage("unknown argument " .. a)
    end
  end
  return o
end

if not pcall(require, "cjson") then usage "lua-cjson is not installed" end
local o = parse(arg)
if o.compare then
  compare(o)
else
  parallel(io.lines(), o, function(line) io.write(line, "\n") end)
end
