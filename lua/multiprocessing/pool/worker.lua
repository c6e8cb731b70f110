--- worker.lua: what a worker of a pool does
-- MIT licence, see LICENSE
--
-- The loop itself is C (multiprocessing.core.worker). A worker leaves when its pool needs it no
-- more, or when it has done its share of tasks.

local tasks = require "multiprocessing.pool.tasks"
local worker = require "multiprocessing.core.worker"

local M = {}

local TEXT_MAX <const> = 30000

local function describe(e)
  return debug.traceback(tasks.describe(e), 2):sub(1, TEXT_MAX)
end

--- The target of a worker's process.
---@param core userdata the pool
---@param seat integer  which of its workers this one is
---@param options table owner (pid), bell, initializer, initargs, max_tasks, seed
function M.main(core, seat, options)
  worker.enter(core, options.owner, options.bell)
  if options.initializer then
    local args = options.initargs or {}
    local ok, text = xpcall(options.initializer, describe,
      table.unpack(args, 1, args.n or #args))
    if not ok then
      worker.fail(core, seat, text)
      os.exit(1)
    end
  end
  worker.run(core, seat, options.max_tasks, options.seed)
end

return M
