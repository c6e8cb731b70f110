--- Specs of what may be left behind or given away: names, memory, keys, contents, other users.
-- MIT licence, see LICENSE

local helper = require "spec.helper"
local mp = require "multiprocessing"

local function output_of(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read "a"
end

local interpreter = helper.interpreter
if not interpreter:find "^/" then
  interpreter = output_of("pwd"):sub(1, -2) .. "/" .. interpreter
end

describe("A family that is killed, root and branch,", function()
  it("leaves no name, no process and no shared memory", function()
    local function names() -- those of others come and go
      return output_of "ls /dev/shm /dev/mqueue 2>/dev/null"
    end
    local before = {}
    for name in names():gmatch "%S+" do before[name] = true end
    for _ = 1, 5 do
      local out = helper.run(([[
        local mp = require "multiprocessing"
        local q, array, memory = mp.Queue(), mp.Array("d", 100000), mp.SharedMemory{ size = 99999 }
        q:put(("x"):rep(1 << 20))
        local pool = mp.Pool(2)
        pool:map_async(function() while true do end end, { 1, 2 })
        local manager = mp.Manager()
        local d = manager:dict{ a = 1 }
        local p = mp.get_context("spawn").Process{ target = function()
          q:put(d.a)
          mp.sleep(1000)
        end }
        p:start()
        q:get()
        q:get()
        print "up"
        io.stdout:flush()
        os.execute("kill -9 -" .. mp.getpid())
      ]]), { command = "setsid -w " .. helper.interpreter })
      assert.matches("^up\n", out)
    end
    helper.eventually(function()
      for name in names():gmatch "%S+" do
        if not before[name] then return false end
      end
      return true
    end, 20)
  end)
end)

describe("A key", function()
  it("is neither in the environment nor in the command line of any process", function()
    local secret <const> = "only-the-two-of-us-know"
    local listener = mp.Listener{ authkey = secret }
    for _, method in ipairs(mp.get_all_start_methods()) do
      local ready = mp.Event()
      local p = mp.get_context(method).Process{ target = function(key)
        ready:set()
        mp.sleep(#key)
      end, args = { secret }, daemon = true }
      p:start()
      assert.is_true(ready:wait(20))
      for _, pid in ipairs { p.pid, mp.getpid() } do
        for _, name in ipairs { "cmdline", "environ" } do
          local file <close> = assert(io.open(("/proc/%d/%s"):format(pid, name)))
          assert.is_nil(file:read("a"):find(secret, 1, true))
        end
      end
      p:kill()
      p:join()
    end
    listener:close()
  end)
end)

describe("An error message", function()
  it("tells places, not contents", function()
    local secret <const> = "4929-1234-5678-9012"
    local pool <close> = mp.Pool(1)
    local q, a = mp.Queue(), mp.Pipe()
    for _, f in ipairs {
      function() q:put { card = secret, co = coroutine.create(print) } end,
      function() a:send { { secret }, io.lines } end,
      function() mp.dumps { secret, function() return a, secret end } end,
      function() pool:apply(print, { secret, coroutine.create(print) }) end,
      function() mp.loads(mp.dumps { secret }:sub(1, -3)) end,
      function() mp.Process{ target = print, args = secret } end,
    } do
      local ok, e = pcall(f)
      assert.is_true(ok or tostring(e):find(secret, 1, true) == nil, tostring(e))
    end
  end)
end)

describe("Another user", function()
  -- as root only: nobody else can become two users
  local is_root = output_of("id -u") == "0\n"
  local other = "setpriv --reuid 54321 --regid 54321 --clear-groups " .. interpreter

  it("cannot connect to a listener's path, and hears no reason to try", function()
    if not is_root then return pending "only root can be two users" end
    local l <close> = mp.Listener()
    local out = helper.run(([[
      local mp = require "multiprocessing"
      local ok, e = pcall(mp.Client, %q)
      print(ok, mp.iserror(e, "ProcessError") or mp.iserror(e, "AuthenticationError"))
    ]]):format(l.address), { command = other })
    assert.equal("false\ttrue\n", out)
    helper.raises("TimeoutError", l.accept, l, 0.1)
  end)

end)

describe("A stranger's datagram to a bell", function()
  -- the names of a process's sockets in the abstract namespace
  local function bells(pid)
    local inodes, names = {}, {}
    for inode in output_of("ls -l /proc/" .. pid .. "/fd"):gmatch "socket:%[(%d+)%]" do
      inodes[inode] = true
    end
    for line in io.lines "/proc/net/unix" do
      local inode, name = line:match "(%d+) @(%x+)$"
      if inodes[inode] then names[#names + 1] = name end
    end
    return names
  end

  it("wakes its owner for nothing", function()
    if not os.execute "python3 -c 'import socket' 2>/dev/null" then
      return pending "python3 plays the stranger"
    end
    local a, b = mp.Pipe()
    local rung = mp.Queue()
    local ringer = mp.Process{ args = { mp.getpid() }, target = function(pid)
      local names
      repeat names = bells(pid) until #names > 0
      rung:put(#names)
      assert(os.execute("python3 -c 'import socket, sys\n"
        .. "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        .. "s.setblocking(False)\n"
        .. "for n in sys.argv[1:] * 1000:\n"
        .. " try: s.sendto(b\"rubbish\", b\"\\0\" + n.encode())\n"
        .. " except BlockingIOError: pass' " .. table.concat(names, " ")))
    end }
    ringer:start()
    local began = mp.now()
    assert.same({}, mp.wait({ a }, 0.5))
    assert.is_true(mp.now() - began >= 0.5)
    assert.is_true(ringer:join(20))
    assert.equal(0, ringer.exitcode)
    assert.is_true(rung:get(true, 0) > 0)
    b:send "now"
    assert.same({ a }, mp.wait({ a }, 20))
    assert.equal("now", a:recv())
  end)
end)

describe("A forked child of a large parent", function()
  it("copies little of its memory", function()
    local out = helper.run [[
      local mp = require "multiprocessing"
      local heap = {}
      for i = 1, 1000000 do heap[i] = { i } end
      local function private()
        local file <close> = io.open "/proc/self/smaps_rollup"
        return tonumber(file:read("a"):match "Private_Dirty: *(%d+)")
      end
      local before = collectgarbage "count"
      local p = mp.Process{ target = function()
        local mine, n = {}, 0
        for i = 1, 100000 do mine[i] = {} end
        for i = 1, #heap do n = n + heap[i][1] end
        print(private() < before / 3, before > 50000)
      end }
      p:start()
      p:join()
    ]]
    assert.equal("true\ttrue\n", out)
  end)
end)

describe("On a small C stack", function()
  it("values of any depth pass everywhere", function()
    local out = helper.run([[
      local mp = require "multiprocessing"
      local deep = {}
      for _ = 1, 200000 do deep = { deep } end
      local function depth(t)
        local n = 0
        while t[1] do t, n = t[1], n + 1 end
        return n
      end
      print(depth(mp.loads(mp.dumps(deep))))
      local q = mp.Queue()
      q:put(deep)
      print(depth(q:get()))
      local pool <close> = mp.Pool(1)
      print(pool:apply(depth, { deep }))
      local p = mp.get_context("spawn").Process{ target = function(t) print(depth(t)) end,
        args = { deep } }
      p:start()
      p:join()
    ]], { setup = "ulimit -s 256" })
    assert.equal("200000\n200000\n200000\n200000\n", out)
  end)
end)

describe("A fork child", function()
  it("holds no descriptor of its siblings", function()
    local out = helper.run [[
      local mp = require "multiprocessing"
      local helper = dofile "spec/helper.lua"
      local function count()
        local n = 0
        for _ in pairs(helper.descriptors()) do n = n + 1 end
        return n
      end
      local counts = mp.Queue()
      for i = 1, 5 do
        mp.Process{ daemon = i % 2 == 0, target = function()
          counts:put(count())
          mp.sleep(1000)
        end }:start()
      end
      local of = {}
      for i = 1, 5 do of[i] = counts:get(true, 20) end
      table.sort(of)
      print(of[5] - of[1] <= 1) -- a daemon has its lifeline
      for _, p in ipairs(mp.active_children()) do p:kill() end
    ]]
    assert.equal("true\n", out)
  end)
end)
