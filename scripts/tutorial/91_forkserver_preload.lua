--- Modules that are loaded once, in the server: set_forkserver_preload(['cjson'])
--
-- Needs: cjson
-- Output:
--   in the child it was loaded before it was required: true
--   [1,2,3]

local mp = require "multiprocessing"

mp.set_forkserver_preload{ "cjson" }
mp.set_start_method "forkserver"

local p = mp.Process{ target = function()
  print("in the child it was loaded before it was required: " .. tostring(
    package.loaded.cjson ~= nil))
  print(require "cjson".encode{ 1, 2, 3 })
end }
p:start()
p:join()
