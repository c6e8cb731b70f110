--- multiprocessing: Python's multiprocessing for Lua 5.4
-- MIT licence, see LICENSE
--
-- The face only: everything meets in context.lua.

return require("multiprocessing.context").default
