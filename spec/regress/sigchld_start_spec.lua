--- A host that ignores SIGCHLD: a child that has ended before its parent could open a pidfd has
--- lived; it is no failure of start

local helper = require "spec.helper"

-- libc's syscall(2), which is late where a pidfd is to be opened
local LATE <const> = [[
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/syscall.h>
#include <time.h>
long syscall(long n, ...) {
  long (*next)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  __builtin_va_list v;
  long a[6];
  __builtin_va_start(v, n);
  for (int i = 0; i < 6; i++)
    a[i] = __builtin_va_arg(v, long);
  __builtin_va_end(v);
  struct timespec t = {0, 50000000};
  if (n == SYS_pidfd_open)
    nanosleep(&t, 0);
  return next(n, a[0], a[1], a[2], a[3], a[4], a[5]);
}
]]

local SCRIPT <const> = [[
local mp = require "multiprocessing"
for i, method in ipairs(mp.get_all_start_methods()) do
  local p = mp.get_context(method).Process{ target = os.exit, args = { i } }
  p:start()
  assert(#mp.wait({ p }, 30) == 1)
  assert(p:join(30) and p.exitcode == i, p.exitcode)
  p:close()
end
print "all have lived"
]]

describe("start where SIGCHLD is ignored", function()
  it("does not raise for a child that was quick", function()
  if helper.is_sanitized then return pending "its library must be the first" end
    local late = os.tmpname()
    local cc <close> = assert(io.popen("gcc -shared -fPIC -w -x c - -o " .. late, "w"))
    cc:write(LATE)
    assert(cc:close())
    local said = helper.run(SCRIPT, {
      command = ("env --ignore-signal=CHLD LD_PRELOAD=%s %s"):format(late, helper.interpreter),
      deadline = 60 }) -- timeout(1) would undo it
    os.remove(late)
    assert.equal("all have lived\n", said)
  end)
end)
