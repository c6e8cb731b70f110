--- hold.lua: a lock held to the end of a block
-- MIT licence, see LICENSE
--
-- For all that has `acquire` and `release`, of this library or not.

local options = require "multiprocessing.options"

local M = {}

--- What `hold` returns: a to-be-closed value that releases the lock at the end of its block.
---
---     local lock = mp.Lock()
---     do
---       local held <close> = lock:hold()
---       print(held.abandoned, lock:locked())    --> false true
---     end
---     print(lock:locked())                      --> false
---@class multiprocessing.Held
---@field abandoned boolean the holder before us died with the lock
local Held = { __name = "multiprocessing.Held" }
Held.__index = Held
M.Held = Held

function Held:__close()
  local lock = self._lock
  self._lock = false
  if lock then lock:release() end
end

-- whoever has it: also the locks of other modules have `hold` from here
local function check_lock(lock, method)
  local t = type(lock)
  if (t == "userdata" or t == "table") and lock.acquire then return end
  error(("bad argument #1 to '%s' (lock expected; call it with a colon)"):format(method), 3)
end

-- The object is made before the lock is taken: what can fail fails first.
function M.hold(lock)
  check_lock(lock, "hold")
  local held = setmetatable({ abandoned = false, _lock = false }, Held)
  local _, abandoned = lock:acquire()
  held._lock = lock
  held.abandoned = abandoned == "abandoned"
  return held
end

--- Is that something to call? The error is raised at the line of the method's caller.
function M.check_callable(f, method)
  if type(f) == "function" then return end
  local meta = getmetatable(f)
  options.check(type(meta) == "table" and meta.__call, 1, method, "function", f, 1)
end

function M.with(lock, f, ...)
  check_lock(lock, "with")
  M.check_callable(f, "with")
  local _ <close> = M.hold(lock)
  return f(...)
end

--- Gives a class of things with `acquire` and `release` the methods `hold` and `with`.
function M.give(class)
  class.hold = M.hold
  class.with = M.with
end

return M
