--- Specs of Ctrl-C: one message, exit code 130, nothing left, whatever the main process does.

local helper = require "spec.helper"
local mp = require "multiprocessing"

-- Runs a script as the leader of a process group of its own, sends SIGINT to the group `count`
-- times once it has printed "ready"; returns output, exit code, seconds from the first signal.
local function interrupt(method, body, count)
  local path, out = os.tmpname(), os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write('local mp = require "multiprocessing"\n',
    ('local ctx = mp.get_context "%s"\n'):format(method),
    'local function ready() local f <close> = io.open(arg[1], "a") f:write(mp.getpid()) end\n',
    body)
  file:close()
  local start = mp.now()
  local pipe <close> = assert(io.popen(([[
    timeout -k 1 20 setsid --wait %s %s %s.ready >%s 2>&1 &
    pid=$!
    until [ -s %s.ready ]; do sleep 0.01; done
    leader=$(cat %s.ready)
    for i in $(seq %d); do sleep 0.2; /bin/kill -INT -- -$leader; done 2>/dev/null
    wait $pid
    echo status=$?
    ps -o stat= -s $leader | grep -vc Z
  ]]):format(helper.interpreter, path, path, out, path, path, count or 1)))
  local answer = pipe:read("a")
  local text <close> = assert(io.open(out))
  os.remove(path)
  os.remove(path .. ".ready")
  os.remove(out)
  local status, left = answer:match("status=(%d+)\n(%d+)")
  return text:read("a"):gsub(path:gsub("%p", "%%%0"), "SCRIPT"), tonumber(status), tonumber(left),
    mp.now() - start
end

helper.each_method(function(_, method)
  for what, body in pairs {
    ["in join"] = [[
      local p = ctx.Process{ target = mp.sleep, args = { 100 } }
      p:start()
      mp.sleep(0.3)
      ready()
      p:join()
    ]],
    ["in join with a timeout, in a coroutine"] = [[
      local p = ctx.Process{ target = mp.sleep, args = { 100 } }
      p:start()
      mp.sleep(0.3)
      ready()
      coroutine.wrap(function() p:join(50) end)()
    ]],
    ["in sleep"] = [[
      ctx.Process{ target = mp.sleep, args = { 100 }, daemon = true }:start()
      ready()
      mp.sleep(50)
    ]],
    ["in a loop"] = [[
      ctx.Process{ target = function() while true do end end }:start()
      mp.sleep(0.3)
      ready()
      while true do end
    ]],
  } do
    it("ends the family " .. what, function()
      local out, status, left, seconds = interrupt(method, body)
      assert.equal(130, status, out)
      local _, messages = out:gsub("interrupted!", "")
      assert.equal(1, messages, out)
      assert.matches("^mplua: .*interrupted!\nstack traceback:", out)
      assert.equal(0, left)
      assert.is_true(seconds < 10)
    end)
  end
end)

it("kills them when it comes again while the main process waits at its end", function()
  local out, status, left = interrupt("fork", [[
    ctx.Process{ target = function()
      while true do pcall(mp.sleep, 100) end -- will not go
    end }:start()
    mp.sleep(0.3)
    ready()
    mp.sleep(50)
  ]], 3)
  assert.equal(130, status, out)
  assert.equal(0, left)
end)

it("ends the family while the main process waits at its end", function()
  local out, status, left, seconds = interrupt("fork", [[
    ctx.Process{ target = function()
      while true do pcall(mp.sleep, 100) end -- will not go
    end }:start()
    mp.sleep(0.3)
    ready()
  ]])
  assert.equal(130, status, out)
  assert.matches("^mplua: .*interrupted!\nstack traceback:", out)
  assert.equal(0, left)
  assert.is_true(seconds < 10)
end)
