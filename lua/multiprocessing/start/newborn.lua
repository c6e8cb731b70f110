--- newborn.lua: the life of a process that was spawned or served
-- MIT licence, see LICENSE

local process = require "multiprocessing.process"
local start = require "multiprocessing.core.start"

local M = {}

local function become_like_parent(settings)
  package.path, package.cpath = settings.path, settings.cpath
  arg = settings.arg -- luacheck: ignore 121
  if settings.environment then start.set_environment(settings.environment) end
  if settings.cwd then start.chdir(settings.cwd) end
  require("multiprocessing.context").import(settings.context)
end

-- Modules are loaded once, here, instead of in each child. One that fails is left to the child
-- that needs it, which can report it.
local function serve(birth)
  start.ignore_interrupts()
  for _, name in ipairs(start.receive(birth.payload).preload) do pcall(require, name) end
  return start.run_server(birth.server_fd)
end

local function fail(settings, failure)
  local message = tostring(failure) -- decoding loads modules, and wraps their errors
  if process.was_interrupted(message) then error(message, 0) end
  io.stderr:write(("Process %s:\n%s\n"):format(settings.name or "?", message))
  return 1
end

--- Answers with the exit status.
---@param birth table settings, payload, server_fd
---@return integer
function M.main(birth)
  local settings = start.receive(birth.settings)
  become_like_parent(settings)
  if birth.server_fd then
    birth = serve(birth)
    if not birth then return 0 end
    settings = start.receive(birth.settings)
    become_like_parent(settings)
  end
  local ok, payload = pcall(start.receive, birth.payload)
  if not ok then return fail(settings, payload) end
  local self = payload.process
  self._target, self._args = payload.target, payload.args
  return process.live(self)
end

return M
