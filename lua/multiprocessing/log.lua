--- log.lua: the library's logger, shown on stderr on demand
-- MIT licence, see LICENSE
--
-- One logger a process; children inherit its level and whether it is shown. A line is one write,
-- so lines of several processes do not mix.

local options = require "multiprocessing.options"
local process = require "multiprocessing.process"

local M = {}

local LEVELS <const> = {
  NOTSET = 0, SUBDEBUG = 5, DEBUG = 10, INFO = 20, SUBWARNING = 25, WARNING = 30, ERROR = 40,
  CRITICAL = 50,
}

local names = {}
for name, number in pairs(LEVELS) do names[number] = name end

-- what a child inherits
local state = { level = LEVELS.WARNING, shown = false }

local function level_of(level, caller)
  local number = LEVELS[tostring(level):upper()] or math.tointeger(level)
  if number then return number end
  error(("bad argument #1 to '%s' (unknown level '%s'; there are: DEBUG, INFO, WARNING, ERROR, "
    .. "CRITICAL and numbers)"):format(caller, tostring(level)), 3)
end

--- The library's logger, one a process; children inherit its level, and whether it is shown.
---
---     local log = mp.log_to_stderr "info"
---@class multiprocessing.Logger
local Logger = {}
Logger.__index = Logger
Logger.__name = "multiprocessing.Logger"

--- Writes `[LEVEL/ProcessName] message` to stderr if the logger is shown and the level is at
--- least the logger's.
---
---     log:log("warning", "%d left", 2)          --> [WARNING/MainProcess] 2 left
---@param level integer|string 30 or "warning", for example
---@param format string as string.format takes it when there are more arguments
---@param ... any
function Logger:log(level, format, ...)
  options.check_self(self, Logger.__name, "log")
  local number = level_of(level, "log")
  if not state.shown or number < state.level then return end
  local text = select("#", ...) > 0 and format:format(...) or tostring(format)
  io.stderr:write(("[%s/%s] %s\n"):format(names[number] or "Level " .. number,
    process.current_process().name, text))
end

--- `log("debug", format, ...)`.
---
---     log:debug "hidden"
---     log:set_level "debug"
---     log:debug "shown"                         --> [DEBUG/MainProcess] shown
---@function Logger:debug
---@param format string
---@param ... any

--- `log("info", format, ...)`.
---
---     log:info "ready"                      --> [INFO/MainProcess] ready
---@function Logger:info
---@param format string
---@param ... any

--- `log("warning", format, ...)`.
---
---     log:warning "ready"                   --> [WARNING/MainProcess] ready
---@function Logger:warning
---@param format string
---@param ... any

--- `log("error", format, ...)`.
---
---     log:error "ready"                     --> [ERROR/MainProcess] ready
---@function Logger:error
---@param format string
---@param ... any

--- `log("critical", format, ...)`.
---
---     log:critical "ready"                  --> [CRITICAL/MainProcess] ready
---@function Logger:critical
---@param format string
---@param ... any

for _, name in ipairs { "debug", "info", "warning", "error", "critical" } do
  Logger[name] = function(self, format, ...)
    options.check_self(self, Logger.__name, name)
    self:log(LEVELS[name:upper()], format, ...)
  end
end

--- Only messages of at least this level are shown.
---
---     log:set_level "error"
---     log:info "hidden"
---     log:error "shown"                         --> [ERROR/MainProcess] shown
---@param level integer|string 10 or "debug", for example
function Logger:set_level(level)
  options.check_self(self, Logger.__name, "set_level")
  state.level = level_of(level, "set_level")
end

local logger = setmetatable({}, Logger)

--- The library's logger. It shows nothing until `log_to_stderr` is called.
---
--- *Python*: `multiprocessing.get_logger`, of the module logging.
---
---     mp.log_to_stderr "info"
---     mp.get_logger():info("%d files", 3)       --> [INFO/MainProcess] 3 files
---@return multiprocessing.Logger
function M.get_logger()
  return logger
end

--- Has the logger write to stderr, in this process and its future children.
---
---     local p = mp.Process{ target = function() mp.get_logger():info "here" end }
---     mp.log_to_stderr "info"
---     p:start()
---     p:join()                                  --> [INFO/Process-1] here
---@param level? integer|string default: the level is left as it is
---@return multiprocessing.Logger
function M.log_to_stderr(level)
  if level ~= nil then state.level = level_of(level, "log_to_stderr") end
  state.shown = true
  return logger
end

function M.export() return state end
function M.import(inherited) state = inherited end

return M
