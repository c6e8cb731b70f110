--- fork.lua: the start method that copies this process
-- MIT licence, see LICENSE
--
-- The child has everything the parent has, so nothing needs to be sent.

local process = require "multiprocessing.process"

local M = {}

function M.launch(self, handle)
  handle:fork(process.live, self, self._daemon)
end

return M
