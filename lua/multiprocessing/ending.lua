--- ending.lua: what happens at the normal end of a process of the family
-- MIT licence, see LICENSE
--
-- By return, error or os.exit: the functions of at_exit, then the children. A process that is
-- killed does none of it; its daemons see that by themselves.

local core = require "multiprocessing.core.process"
local traceback = require "multiprocessing.traceback"

local M = {}

local SIGTERM <const>, SIGKILL <const> = 15, 9

local exit_functions, begun = {}, false

local function describe_error(e)
  if type(e) == "string" then return e end
  local meta = getmetatable(e)
  if type(meta) == "table" and meta.__tostring then
    local ok, text = pcall(tostring, e)
    if ok then return text end
  elseif type(e) == "number" then
    return tostring(e)
  end
  return ("(error object is a %s value)"):format(type(e))
end

local function with_traceback(e)
  return { value = e, text = debug.traceback(describe_error(e), 2) }
end

--- Calls f; on an error false and {value, text}: the error and its text with a traceback.
-- An error for lack of memory comes without a visit to the handler.
function M.try(f, ...)
  local ok, failure = xpcall(f, with_traceback, ...)
  if ok or type(failure) == "table" then return ok, failure end
  return ok, { value = failure, text = tostring(failure) }
end

local function run_exit_functions()
  while #exit_functions > 0 do
    local f = table.remove(exit_functions)
    local ok, failure = M.try(f)
    if not ok then
      io.stderr:write("Error in at_exit function:\n", traceback.users_part(failure.text), "\n")
    end
  end
end

-- Daemons are told to go, the others are waited for. Ctrl-C meanwhile kills them all, and is
-- raised again when they are gone: the host says so and chooses its exit code.
local function end_children()
  core.children_signal("daemon", SIGTERM)
  core.interrupt_arm()
  local ok, failure = pcall(core.children_wait, "plain")
  if not ok then core.children_signal("any", SIGKILL) end
  if not core.children_wait("any", 2) then
    core.children_signal("any", SIGKILL)
    core.children_wait("any", 5)
  end
  if not ok then error(failure, 0) end
end

-- The forkserver, which nothing runs in: it can be killed.
local function end_server()
  core.children_signal("server", SIGKILL)
  core.children_wait("server", 5)
end

--- All that happens at the normal end of a process of the family.
function M.at_end()
  begun = true
  run_exit_functions()
  local ok, failure = true, nil
  if not core.children_wait("any", 0) then ok, failure = pcall(end_children) end
  end_server()
  if not ok then error(failure, 0) end
end

--- Whether the end has begun: os.exit in a function of at_exit is to go on with what is left of it.
function M.has_begun() return begun end

--- Has f called when this process ends normally: by return, error or os.exit. Last registered
--- first. A child starts with none.
---
--- *Python*: `atexit.register`.
---
---     mp.at_exit(function() print "the end" end)
---     print "the work"
---     --> the work
---     --> the end
---@param f function
function M.at_exit(f)
  if type(f) ~= "function" then
    error(("bad argument #1 to 'at_exit' (function expected, got %s)"):format(type(f)), 2)
  end
  exit_functions[#exit_functions + 1] = f
end

--- Forgets the functions of at_exit: they are the parent's.
function M.forget()
  if exit_functions[1] then exit_functions = {} end
end

return M
