--- parallel.lua: a parallel loop in one call
-- MIT licence, see LICENSE

local opts = require "multiprocessing.pool.options"

local M = {}

-- joblib's counting: -1 is all processors, -2 all but one
local function workers_of(context, n_jobs)
  local n = math.tointeger(n_jobs)
  if not n or n == 0 then
    opts.fail(3, "bad argument #1 to 'parallel' (number of jobs expected, got %s; -1 is all CPUs)",
      math.type(n_jobs) and tostring(n_jobs) or type(n_jobs))
  end
  if n < 0 then n = math.max(1, context.cpu_count() + 1 + n) end
  return n == 1 and 0 or n -- one alone works here
end

--- Makes the loop whose workers start by the method of the given context.
function M.bind(context)
  --- Calls f for each item in n_jobs workers, which live for this call.
  ---
  --- *Blocks* until all is done. *Raises* the first error in the items' order.
  --- *Python*: joblib's `Parallel(n_jobs)(delayed(f)(x) for x in items)`.
  ---
  ---     local roots = mp.parallel(-1, math.sqrt, { 1, 4, 9 })
  ---     print(table.concat(roots, " "))           --> 1.0 2.0 3.0
  ---@function mp.parallel
  ---@param n_jobs integer workers; 1: in this process; -1: all CPUs, -2: all but one
  ---@param f function
  ---@param items table|function list, or a function that returns the next item
  ---@return any[] results with `n`
  return function(n_jobs, f, items)
    local n = workers_of(context, n_jobs)
    opts.check_function(f, 2, "parallel", 2)
    opts.check_items(items, 3, "parallel", 2)
    local pool <close> = context.Pool(n)
    return pool:map(f, items)
  end
end

return M
