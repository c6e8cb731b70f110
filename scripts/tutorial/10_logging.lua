--- The logger: logger = multiprocessing.log_to_stderr(); logger.setLevel(logging.INFO)
--
-- Output:
--   the child is done
-- Errors:
--   [WARNING/MainProcess] doomed
--   [INFO/worker] working

local mp = require "multiprocessing"

local logger = mp.log_to_stderr()
logger:warning("doomed")
logger:info("not shown: the level is WARNING")
logger:set_level("info")

local p = mp.Process{ name = "worker", target = function()
  mp.get_logger():info("working")
end }
p:start()
p:join()
print "the child is done"
