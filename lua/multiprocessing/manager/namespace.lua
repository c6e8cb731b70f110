--- namespace.lua: the Namespace of a manager
-- MIT licence, see LICENSE
--
-- A dict whose keys are names, without methods: any name may be used.

local core = require "multiprocessing.core.dict"
local options = require "multiprocessing.options"
require "multiprocessing.manager.text"

local M = {}

--- Named values that all processes of the family see: `ns.x = v`, `ns.x`. Reading a name that was
--- never set gives nil, setting nil removes it; `pairs(ns)` goes over a snapshot. As with dicts,
--- what is stored is a copy.
---
--- *Raises* for a name that is no string; `SerializationError`.
--- *Python*: `Namespace`; there a missing name raises, and names with `_` stay local.
---
---     local m <close> = mp.Manager()
---     local ns = m:Namespace{ x = 1 }
---     ns.y = "two"
---     print(ns)                                 --> Namespace(x = 1, y = "two")
---@class multiprocessing.Namespace

--- Makes a Namespace; a table gives its first contents.
---@param t? { [string]: any }
---@return multiprocessing.Namespace
function M.new(t)
  if t == nil then return core.Namespace() end
  local meta = getmetatable(t)
  if meta == core.dict_meta or meta == core.space_meta then t = meta.__copy(t) end
  options.check(type(t) == "table", 1, "Namespace", "table", t)
  return options.build(core.Namespace, t)
end

return M
