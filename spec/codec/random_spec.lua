--- random_spec.lua: random values against a naive model
-- MIT licence, see LICENSE
--
-- The model is the plainest copy there is: a recursive function with a table of what it has
-- copied. Values are compared as graphs: same shape, same sharing.
-- SEED=n repeats a run.

local mp = require "multiprocessing"

local seed <const> = tonumber(os.getenv "SEED") or os.time()
local random = math.random

local function random_string()
  local n = ({ 0, 1, 2, 3, 10, 40, 41, 63, 64, 300, 2050 })[random(11)]
  return string.char(random(0, 255)):rep(n // 2) .. string.char(random(97, 122)):rep(n - n // 2)
end

local scalars <const> = {
  function() return random(-70, 70) end,
  function() return random(0) end,
  function() return (1 << random(0, 63)) + random(-1, 1) end,
  function() return random() end,
  function() return ({ 0.0, -0.0, 1 / 0, -1 / 0, 2.0 ^ 53, 1e-310 })[random(6)] end,
  function() return random(2) == 1 end,
  random_string,
  function() return "key" .. random(30) end,
}

local function scalar() return scalars[random(#scalars)]() end

-- A graph of `n` tables; any may hold any other, as value, key or metatable; functions hold
-- them as upvalues.
local function random_graph(n)
  local nodes = {}
  for i = 1, n do nodes[i] = {} end
  local function any()
    local kind = random(10)
    if kind <= 2 then return nodes[random(n)] end
    if kind == 3 then
      local a, b = nodes[random(n)], scalar()
      return function(new) if new ~= nil then b = new end return a, b end
    end
    return scalar()
  end
  for i, node in ipairs(nodes) do
    for k = 1, random(0, 6) do node[k] = any() end
    for _ = 1, random(0, 5) do
      local k = any()
      if k == k then node[k] = any() end
    end
    if random(8) == 1 then setmetatable(node, nodes[random(n)]) end
    nodes[i % n + 1][1] = node -- all are reached
  end
  return nodes[1]
end

-- What a metatable could do on the way is switched off: it has no metamethods but by accident,
-- so the model reads raw.
local function naive(v, seen)
  if type(v) ~= "table" then return v end
  if seen[v] then return seen[v] end
  local t = {}
  seen[v] = t
  for k, x in next, v do rawset(t, naive(k, seen), naive(x, seen)) end
  local mt = debug.getmetatable(v)
  if mt then debug.setmetatable(t, naive(mt, seen)) end
  return t
end

local function same_scalar(a, b)
  if math.type(a) ~= math.type(b) then return false end
  if math.type(a) == "float" then return string.pack("<d", a) == string.pack("<d", b) end
  return a == b
end

local same

-- Tables and functions as keys have no order: they are told apart by what they hold, so each
-- original is tried against all that are left.
local function same_odd_keys(a, b, pairing)
  local left = {}
  for k, v in next, b do
    if type(k) == "table" or type(k) == "function" then left[k] = v end
  end
  for k, v in next, a do
    if type(k) == "table" or type(k) == "function" then
      local known = pairing.to[k]
      local match
      for k2, v2 in next, left do
        if known == nil or known == k2 then
          local trial = { to = setmetatable({}, { __index = pairing.to }),
            from = setmetatable({}, { __index = pairing.from }) }
          if same(k, k2, trial) and same(v, v2, trial) then
            match = k2
            for x, y in next, trial.to do pairing.to[x] = y end
            for x, y in next, trial.from do pairing.from[x] = y end
            break
          end
        end
      end
      if match == nil then return false end
      left[match] = nil
    end
  end
  return next(left) == nil
end

local function same_upvalues(a, b, pairing)
  for i = 1, 255 do
    local name, x = debug.getupvalue(a, i)
    local name2, y = debug.getupvalue(b, i)
    if name ~= name2 then return false end
    if not name then return true end
    if not same(x, y, pairing) then return false end
  end
end

function same(a, b, pairing)
  if type(a) ~= type(b) then return false end
  if type(a) ~= "table" and type(a) ~= "function" then return same_scalar(a, b) end
  if pairing.to[a] or pairing.from[b] then
    return pairing.to[a] == b and pairing.from[b] == a
  end
  pairing.to[a], pairing.from[b] = b, a
  if type(a) == "function" then return same_upvalues(a, b, pairing) end
  local n = 0
  for k, v in next, a do
    n = n + 1
    if type(k) ~= "table" and type(k) ~= "function" and not same(v, rawget(b, k), pairing) then
      return false
    end
  end
  for _ in next, b do n = n - 1 end
  return n == 0 and same_odd_keys(a, b, pairing)
    and same(debug.getmetatable(a), debug.getmetatable(b), pairing)
end

local function same_graph(a, b) return same(a, b, { to = {}, from = {} }) end

describe("Random values", function()
  it("come back as they went", function()
    math.randomseed(seed)
    for round = 1, 400 do
      local v = random_graph(random(1, 12))
      local text = ("seed %d, round %d"):format(seed, round)
      assert.is_true(same_graph(v, mp.loads(mp.dumps(v))), text)
    end
  end)

  it("of data alone pass where only data passes", function()
    math.randomseed(seed)
    local function data(depth)
      if depth == 0 then return scalar() end
      local t = {}
      for i = 1, random(0, 5) do t[i] = data(depth - 1) end
      for _ = 1, random(0, 5) do t[scalar()] = data(depth - random(depth)) end
      return t
    end
    for round = 1, 300 do
      local v = data(random(0, 5))
      local s = mp.dumps(v)
      assert.is_true(same_graph(naive(v, {}), mp.loads(s, { functions = false })),
        ("seed %d, round %d"):format(seed, round))
    end
  end)

  it("tell a wrong copy", function() -- the comparison itself can fail
    local x = {}
    assert.is_false(same_graph({ x, x }, { {}, {} }))
    assert.is_false(same_graph({ 1 }, { 1.0 }))
    assert.is_false(same_graph({ 0.0 }, { -0.0 }))
    assert.is_false(same_graph({ a = 1 }, { a = 1, b = 2 }))
    assert.is_false(same_graph(setmetatable({}, {}), {}))
  end)
end)
