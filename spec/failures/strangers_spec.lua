--- Specs of strangers: other users, other programs, who listens at the wire.
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

  it("who asks for code to pass is turned away", function()
    if not is_root then return pending "only root can be two users" end
    local address = os.tmpname()
    os.remove(address)
    local said = mp.Queue()
    local p = mp.Process{ target = function()
      said:put((helper.run(([[
        local mp = require "multiprocessing"
        local l <close> = mp.Listener{ address = %q, code = true }
        local ok, e = pcall(l.accept, l, 3)
        print(ok, mp.iserror(e, "TimeoutError"))
      ]]):format(address), { command = other })))
    end }
    p:start()
    local e
    helper.eventually(function()
      e = helper.error_of(mp.Client, address, { code = true })
      return not tostring(e):find "No such file" and not tostring(e):find "refused"
    end, 20)
    assert.is_true(mp.iserror(e, "EOFError"), tostring(e))
    assert.equal("false\ttrue\n", said:get(true, 30))
    assert.is_true(p:join(20))
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
    local said = mp.Queue()
    local p = mp.Process{ target = function()
      local ready = mp.wait({ a }, 60)
      said:put { #ready, ready[1] and ready[1]:recv() }
    end }
    p:start()
    local names
    helper.eventually(function()
      names = bells(p.pid)
      return #names > 0
    end, 30)
    assert(os.execute("python3 -c 'import socket, sys\n"
      .. "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
      .. "s.setblocking(False)\n"
      .. "for n in sys.argv[1:] * 1000:\n"
      .. " try: s.sendto(b\"rubbish\", b\"\\0\" + n.encode())\n"
      .. " except BlockingIOError: pass' " .. table.concat(names, " ")))
    assert.is_false(p:join(0.1)) -- it waits on
    b:send "now"
    assert.same({ 1, "now" }, said:get(true, 30))
    assert.is_true(p:join(20))
  end)
end)

describe("A handshake", function()
  -- Strangers one after the other; each must not hear "ok". `hello` is the listener's line.
  local strangers <const> = [[
import hashlib, hmac, os, socket
K = hashlib.sha256(b"k").digest()
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(%q)
    f = s.makefile("rb")
    return s, f, f.readline().strip()
def proof(who, *words):
    return hmac.new(K, who + b"".join(words), "sha256").hexdigest().encode()
def answer(hello):
    nonce = os.urandom(32).hex().encode()
    return b"mplua 1 frames " + nonce + b" " + proof(b"client", hello, nonce) + b"\n"
def hear(what, words):
    try:
        for w in words: s.sendall(w)
        verdict = f.readline()
    except OSError: verdict = b""
    print(what, verdict.startswith(b"ok"))
s, f, hello = connect()
line = answer(hello)
hear("good", [line])
s, f, hello = connect()
hear("replayed", [line])
s, f, hello = connect()
hear("reflected", [hello + b"\n"])
s, f, hello = connect()
nonce = hello.split()[-1]
hear("borrowed", [b"mplua 1 frames ", nonce, b" ", proof(b"listener", hello, nonce), b"\n"])
s, f, hello = connect()
hear("cut", [answer(hello)[:-3] + b"\n"])
s, f, hello = connect()
hear("endless", [b"x" * 1000] * 100)
]]

  it("that is replayed, reflected, borrowed, cut or endless is refused", function()
    if not os.execute "python3 -c 'import hmac' 2>/dev/null" then
      return pending "python3 plays the stranger"
    end
    local l <close> = mp.Listener{ authkey = "k" }
    local path, said = os.tmpname(), mp.Queue()
    local file = io.open(path, "w")
    file:write(strangers:format(l.address))
    file:close()
    local p = mp.Process{ target = function() said:put(output_of("python3 " .. path)) end }
    p:start()
    helper.eventually(function()
      pcall(l.accept, l, 0.05)
      return p:join(0)
    end, 60)
    os.remove(path)
    assert.equal("good True\nreplayed False\nreflected False\nborrowed False\ncut False\n"
      .. "endless False\n", said:get(true, 0))
    p = mp.Process{ target = function()
      mp.Client(l.address, { authkey = "k" }):send "the listener lives on"
    end }
    p:start()
    local conn <close> = l:accept(20)
    assert.equal("the listener lives on", conn:recv())
    assert.is_true(p:join(20))
  end)
end)
