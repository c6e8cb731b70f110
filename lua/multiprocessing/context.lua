--- context.lua: the factory, the only module that knows everybody
-- MIT licence, see LICENSE
--
-- A context is this library's API bound to a start method; the module itself is the context of
-- the default method. Lower modules get the context as an argument and never require this one.

local errors = require "multiprocessing.errors"
local process = require "multiprocessing.process"
local system = require "multiprocessing.core.system"

local M = {}

local methods <const> = { "fork" }

local chosen -- by set_start_method

---@class multiprocessing
local Context = {}
Context.__index = Context

-- processes -----------------------------------------------------------------------------------

Context.now = system.now
Context.sleep = system.sleep
Context.getpid = system.getpid
Context.cpu_count = system.cpu_count
Context.kill = system.kill
Context.current_process = process.current_process
Context.parent_process = process.parent_process
Context.active_children = process.active_children
Context.at_exit = process.at_exit

-- errors --------------------------------------------------------------------------------------

Context.iserror = errors.iserror

-- start methods -------------------------------------------------------------------------------

local function is_method(name)
  for _, m in ipairs(methods) do
    if m == name then return true end
  end
  return false
end

local function check_method(name, caller)
  if not is_method(name) then
    error(("bad argument #1 to '%s' (unknown start method '%s'; there are: %s)"):format(
      caller, tostring(name), table.concat(methods, ", ")), 3)
  end
end

--- The start methods of this system, the default first.
---@return string[]
function Context.get_all_start_methods()
  return table.move(methods, 1, #methods, 1, {})
end

--- Sets the start method of the module, once.
---
--- *Raises* when it was set before, unless `force`.
---@param name string "fork", "spawn" or "forkserver"
---@param force? boolean
function Context.set_start_method(name, force)
  check_method(name, "set_start_method")
  if chosen and not force then
    error("cannot set the start method again: it is '" .. chosen .. "' (use force = true)", 2)
  end
  chosen = name
end

--- The start method in use.
---@return string
function Context.get_start_method()
  return chosen or methods[1]
end

function Context:_launcher()
  return require("multiprocessing.start." .. (self._method or Context.get_start_method()))
end

local function new(method)
  local self = { _method = method }
  self.Process = process.bind(self)
  return setmetatable(self, Context)
end

local contexts = {}

--- An object with this same API, bound to a start method.
---
---     local ctx = mp.get_context "fork"
---     local p = ctx.Process{ target = print }
---@param method? string nil: the module itself
---@return multiprocessing
function Context.get_context(method)
  if method == nil then return M.default end
  check_method(method, "get_context")
  if not contexts[method] then
    local ctx = new(method)
    function ctx.get_start_method() return method end
    contexts[method] = ctx
  end
  return contexts[method]
end

--- Contexts travel by name.
function Context.__reduce(self)
  return Context.get_context, self._method
end

M.default = new(nil)

-- the end of this process ---------------------------------------------------------------------

os.exit = process.exit -- luacheck: ignore 122

return M
