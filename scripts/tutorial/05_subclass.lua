--- A subclass of Process that overrides run()
--
-- Output:
--   Greeter-1 greets ann 3 times
--   exit code 0

local mp = require "multiprocessing"

local Greeter = mp.Process:extend "Greeter"

function Greeter:init(options)
  Greeter.super.init(self, {})
  self.who, self.times = options.who, options.times
end

function Greeter:run()
  print(("%s greets %s %d times"):format(self.name, self.who, self.times))
end

local p = Greeter{ who = "ann", times = 3 }
p:start()
p:join()
print("exit code " .. p.exitcode)
