--- context.lua: the factory, the only module that knows everybody
-- MIT licence, see LICENSE

local system = require "multiprocessing.core.system"
local errors = require "multiprocessing.errors"

local M = {}

local Context = {}
Context.__index = Context

Context.now = system.now
Context.sleep = system.sleep
Context.getpid = system.getpid
Context.cpu_count = system.cpu_count
Context.iserror = errors.iserror

M.default = setmetatable({}, Context)
return M
