--- options.lua: the arguments of a pool's calls
-- MIT licence, see LICENSE
--
-- Misuse is a string at the line of the caller, `level` frames above the function here.

local named = require "multiprocessing.options"

local M = {}

local WORKERS_MAX <const> = 10000 -- the arena has slots for 16384 processes

local function fail(level, format, ...)
  error(format:format(...), level + 1)
end
M.fail = fail

--- A table with only the given names in it.
function M.check_names(t, known, call, level)
  for name in pairs(t) do
    if not known[name] then
      fail(level + 1, "unknown option '%s' to '%s'%s", tostring(name), call,
        named.there_are(known))
    end
  end
end

local function is_callable(f)
  local meta = getmetatable(f)
  return type(f) == "function" or type(meta) == "table" and meta.__call ~= nil
end

--- Argument `n` of `call` is a function (or can be called like one).
function M.check_function(f, n, call, level)
  if is_callable(f) then return end
  fail(level + 1, "bad argument #%d to '%s' (function expected, got %s)", n, call, type(f))
end

--- Argument `at` of `call` is a list (or an object with a length), or a function that gives items.
function M.check_items(items, at, call, level)
  local kind, meta = type(items), getmetatable(items)
  if kind == "function" then return end
  if kind ~= "table" and not (kind == "userdata" and type(meta) == "table" and meta.__len) then
    fail(level + 1, "bad argument #%d to '%s' (list or function expected, got %s)", at, call, kind)
  end
  local n = kind == "table" and rawget(items, "n")
  if math.type(n) == "integer" and n < 0 then
    fail(level + 1, "bad argument #%d to '%s' (its field 'n' is not a length)", at, call)
  end
end

--- An option that may be nil.
function M.check_type(options, name, wanted, call, level)
  local v = options[name]
  if v == nil or type(v) == wanted or wanted == "function" and is_callable(v) then return end
  fail(level + 1, "bad option '%s' to '%s' (%s expected, got %s)", name, call, wanted, type(v))
end

-- a refused value in words
local function shown(v)
  if v ~= v then return "NaN" end
  return type(v) == "number" and tostring(v) or type(v) == "string" and ("%q"):format(v) or type(v)
end

--- An integer of at least `least`; nil is allowed.
function M.check_integer(options, name, least, call, level)
  local v = options[name]
  if v == nil then return nil end
  local n = math.type(v) and math.tointeger(v)
  if not n or n < least then
    fail(level + 1, "bad option '%s' to '%s' (integer of at least %d expected, got %s)", name,
      call, least, shown(v))
  end
  return n
end

--- A positive number of seconds; nil is allowed.
function M.check_seconds(options, name, call, level)
  local v = options[name]
  if v == nil then return end
  if type(v) ~= "number" or v ~= v or v <= 0 then
    fail(level + 1, "bad option '%s' to '%s' (positive seconds expected, got %s)", name, call,
      shown(v))
  end
end

local function check_progress(options, call, level)
  local v = options.progress
  if v == nil or type(v) == "boolean" or is_callable(v) then return end
  fail(level + 1, "bad option 'progress' to '%s' (boolean or function expected, got %s)", call,
    type(v))
end

local TASK <const> = { callback = true, error_callback = true, timeout = true, retries = true }
local MAP <const> = { callback = true, error_callback = true, timeout = true, retries = true,
  chunksize = true, progress = true }

-- checks and copies what one call may say about its tasks
local function task_options(options, known, call, level)
  M.check_names(options, known, call, level + 1)
  M.check_type(options, "callback", "function", call, level + 1)
  M.check_type(options, "error_callback", "function", call, level + 1)
  M.check_seconds(options, "timeout", call, level + 1)
  check_progress(options, call, level + 1)
  return {
    callback = options.callback, error_callback = options.error_callback,
    timeout = options.timeout,
    retries = M.check_integer(options, "retries", 0, call, level + 1),
    chunk = M.check_integer(options, "chunksize", 1, call, level + 1),
    progress = options.progress,
  }
end

--- The options of apply_async.
function M.task(options, call, level)
  if options == nil then return {} end
  if type(options) ~= "table" then
    fail(level + 1, "bad argument #3 to '%s' (table of options expected, got %s)", call,
      type(options))
  end
  return task_options(options, TASK, call, level) -- a tail call has no level
end

--- `chunksize` or options, then options.
function M.map(chunksize, options, call, level)
  if type(chunksize) == "table" then chunksize, options = nil, chunksize end
  if options ~= nil and type(options) ~= "table" then
    fail(level + 1, "bad argument #4 to '%s' (table of options expected, got %s)", call,
      type(options))
  end
  local all = {}
  for k, v in pairs(options or {}) do all[k] = v end
  if chunksize ~= nil then all.chunksize = chunksize end
  return task_options(all, MAP, call, level) -- a tail call has no level
end

local POOL <const> = { processes = true, initializer = true, initargs = true, name = true,
  maxtasksperchild = true, seed = true, memory_limit = true }

--- The arguments of Pool.
function M.pool(call, level, processes, initializer, initargs, maxtasksperchild)
  local o = processes
  if type(o) ~= "table" then
    o = { processes = processes, initializer = initializer, initargs = initargs,
      maxtasksperchild = maxtasksperchild }
  end
  M.check_names(o, POOL, call, level + 1)
  M.check_type(o, "initializer", "function", call, level + 1)
  M.check_type(o, "initargs", "table", call, level + 1)
  M.check_type(o, "name", "string", call, level + 1)
  local processes_wanted = M.check_integer(o, "processes", 0, call, level + 1)
  if processes_wanted and processes_wanted > WORKERS_MAX then
    fail(level + 1, "bad option 'processes' to '%s' (at most %d, got %d)", call, WORKERS_MAX,
      processes_wanted)
  end
  return {
    processes = processes_wanted,
    initializer = o.initializer, initargs = o.initargs, name = o.name,
    max_tasks = M.check_integer(o, "maxtasksperchild", 1, call, level + 1),
    seed = M.check_integer(o, "seed", math.mininteger, call, level + 1),
    memory_limit = M.check_integer(o, "memory_limit", 1, call, level + 1),
  }
end

--- A timeout -> deadline in seconds of mp.now; nil: none.
function M.deadline(timeout, n, call, now, level)
  if timeout == nil then return nil end
  if type(timeout) ~= "number" or timeout ~= timeout then
    fail(level + 1, "bad argument #%d to '%s' (number of seconds expected, got %s)", n, call,
      type(timeout) == "number" and "NaN" or type(timeout))
  end
  return timeout <= 0 and 0 or now() + timeout
end

return M
