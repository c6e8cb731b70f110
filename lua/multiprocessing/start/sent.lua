--- sent.lua: what spawn and forkserver send to a newborn
-- MIT licence, see LICENSE
--
-- Two values: settings, by which it becomes like its parent, and the payload, which is decoded
-- only after them (the payload's modules may need package.path).

local start = require "multiprocessing.core.start"

local format <const> = string.format -- scripts may change it

local M = {}

--- How to be like this process.
---@param context table the module context: its chosen method, executable and so on
---@param name string the process, for messages
---@param extra? table
function M.settings(context, name, extra)
  local settings = extra or {}
  settings.name = name
  settings.path, settings.cpath = package.path, package.cpath
  settings.arg = arg
  settings.context = context.export()
  return settings
end

--- What to run.
---@param self multiprocessing.Process
function M.payload(self)
  local target, args = self._target, self._args
  self._target, self._args = nil, nil -- so that errors name them `target` and `args`
  return { target = target, args = args, process = self }
end

local LOADER <const> = "local open = assert(package.loadlib(%q, 'luaopen_multiprocessing')) "
  .. "package.loaded.multiprocessing = open('multiprocessing') "
  .. "require('multiprocessing.core.start').newborn(arg[0])"

-- The words that start this library in a program; the newborn's own word follows. A stock
-- interpreter takes that word for a script, whose turn never comes.
local function words_for(program, library, is_target)
  if is_target then return { program, "--multiprocessing-child" } end
  if library and program:match("[^/]*$"):find("^lua") then
    return { program, "-E", "-e", format(LOADER, library) }
  end
end

--- The command line that starts a fresh interpreter with this library.
---
--- *Raises* `ProcessError` where this program cannot be a child.
---@param chosen? string by set_executable
---@return string[]
function M.command(chosen)
  local program, library, is_target = start.program()
  if chosen then
    is_target = not chosen:match("[^/]*$"):find("^lua")
    program = chosen
  end
  local words = words_for(program, library, is_target)
  if words then return words end
  require("multiprocessing.errors").raise("ProcessError", ("%s cannot be started as a child: "
    .. "let its main begin with mplua_child_entry, or use set_executable"):format(program))
end

return M
