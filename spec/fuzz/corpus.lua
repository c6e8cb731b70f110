--- corpus.lua: writes the fuzzer's first inputs into a directory
-- MIT licence, see LICENSE
--
-- usage: mplua spec/fuzz/corpus.lua DIRECTORY

local mp = require "multiprocessing"

local shared, cycle, big, deep = { "shared" }, {}, {}, {}
cycle.me, cycle[cycle] = cycle, cycle
for i = 1, 66000 do big[i] = i % 60 end
for _ = 1, 100 do deep = { deep, "key" } end

local samples <const> = {
  true, 5, -5, 1 << 40, 2.5, "", "short", ("x"):rep(100), ("y"):rep(3000),
  { 1, 2, 3, "four", { 5.5, nil, 6 } }, { a = 1, b = { c = "d", [1.5] = true } },
  { shared, shared, cycle }, setmetatable({ 1 }, { __mode = "k" }), big, deep,
  { ("z"):rep(2500), "after", ("w"):rep(2100) }, { { key = "k" }, { key = "k" }, { key = "k" } },
  require("multiprocessing.errors").new("Empty", "nothing"), { [{}] = 1, [true] = { {} } },
  print, function(a) return a, shared end,
}

for i, v in ipairs(samples) do
  local file <close> = assert(io.open(("%s/sample%02d"):format(arg[1], i), "wb"))
  file:write("\0", mp.dumps(v))
end
