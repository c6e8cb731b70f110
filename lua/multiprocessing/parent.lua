--- parent.lua: the process that started this one, as its child sees it
-- MIT licence, see LICENSE

local core = require "multiprocessing.core.process"

local M = {}

--- The process that started this one.
---
---     local function child() return mp.parent_process() end
---@class multiprocessing.ParentProcess
---@field name string
---@field pid integer
local ParentProcess = {}
ParentProcess.__index = ParentProcess

--- Does it still run?
---
---     local p = mp.Process{ target = function() print(child():is_alive()) end }
---     p:start()
---     p:join()                                  --> true
---@return boolean
function ParentProcess:is_alive()
  return core.alive(self.slot)
end

function ParentProcess:__tostring()
  return ("<ParentProcess name='%s' pid=%d>"):format(self.name, self.pid)
end

--- slot: the parent's in the arena, by which its life is known.
---@param name string
---@param pid integer
---@param slot any
function M.new(name, pid, slot)
  return setmetatable({ name = name, pid = pid, slot = slot }, ParentProcess)
end

return M
