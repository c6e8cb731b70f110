--- progress.lua: how far a pool's call is
-- MIT licence, see LICENSE
--
-- A bar on stderr where that is a terminal, redrawn at most ten times a second and wiped at the
-- end; or a function of the user's, which gets the numbers.

local system = require "multiprocessing.core.system"

local M = {}

local INTERVAL <const> = 0.1
local WIDTH <const> = 24
local CLEAR_LINE <const> = "\r\27[K"

local Progress = {}
Progress.__index = Progress

local function is_terminal()
  return system.isatty(2)
end

--- what: true (a bar), a function of (done, total, seconds_left), nil or false (nothing).
---@param what any
---@param total? integer nil: not known
---@param pool table
function M.new(what, total, pool)
  if not what then return nil end
  local call = what ~= true and what or nil
  if not call and not is_terminal() then return nil end
  return setmetatable({ _call = call, _total = total, _pool = pool, _began = system.now(),
    _next = 0, _done = 0 }, Progress)
end

local function seconds_left(self, now)
  if not self._total or self._done == 0 then return nil end
  return (now - self._began) / self._done * (self._total - self._done)
end

local function clock(seconds)
  local s = math.floor(seconds + 0.5)
  if s >= 3600 then return ("%d:%02d:%02d"):format(s // 3600, s // 60 % 60, s % 60) end
  return ("%d:%02d"):format(s // 60, s % 60)
end

--- The bar's line, without the line's begin.
function M.line(done, total, rate, left, busy, workers)
  local head = tostring(done)
  if total then
    local filled = total > 0 and WIDTH * done // total or WIDTH
    head = ("[%s%s] %d/%d"):format(("#"):rep(filled), (" "):rep(WIDTH - filled), done, total)
  end
  local tail = left and ("  %s left"):format(clock(left)) or ""
  return ("%s  %.1f/s%s  %d/%d busy"):format(head, rate, tail, busy, workers)
end

local function draw(self, now)
  local rate = self._done / math.max(now - self._began, 1e-9)
  local workers = self._pool._workers
  self._drawn = true
  io.stderr:write(CLEAR_LINE, M.line(self._done, self._total, rate, seconds_left(self, now),
    workers:busy(), self._pool._processes))
  io.stderr:flush()
end

--- So many items are done.
---@param done integer
function Progress:update(done)
  self._done = done
  local now = system.now()
  if now < self._next and done ~= self._total then return end
  self._next = now + INTERVAL
  if self._call then
    self._call(done, self._total, seconds_left(self, now))
  else
    draw(self, now)
  end
end

--- Wipes the bar.
function Progress:finish()
  if self._drawn then
    io.stderr:write(CLEAR_LINE)
    io.stderr:flush()
  end
  self._drawn = nil
end

return M
