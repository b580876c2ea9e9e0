--- peer.lua: starts programs of others on loopback, and stops them again.
---
--- A test of this folder runs the harness of ../lua, whose folder this file puts on the path.
local here = arg[0]:match('^.*/') or './'
package.path = here .. '?.lua;' .. here .. '../lua/?.lua;' .. package.path

local fiber = require 'fiber'
local socket = require 'socket'
local test = require 'test'
local child = require 'child'

local peer = { program = child.program }

local patience = 10 -- seconds for a peer to answer

function peer.tcp() return assert(socket('AF_INET', 'SOCK_STREAM', 'tcp')) end

--- A listening socket on a free port, and the port.
function peer.listener()
  local s = peer.tcp()
  assert(s:bind('127.0.0.1', 0))
  assert(s:listen())
  return s, s:name().port
end

--- A port that is free now.
function peer.free_port()
  local s = peer.tcp()
  assert(s:setsockopt('SOL_SOCKET', 'SO_REUSEADDR', true))
  assert(s:bind('127.0.0.1', 0))
  local port = s:name().port
  s:close()
  return port
end

--- A connected socket.
function peer.connect(port)
  local s = peer.tcp()
  assert(s:sysconnect('127.0.0.1', port, patience))
  return s
end

--- Waits until something accepts connections on the port.
function peer.await(port)
  local until_when = fiber.clock() + patience
  while true do
    local s = peer.tcp()
    local connected, problem = s:sysconnect('127.0.0.1', port, patience)
    s:close()
    if connected then return end
    if fiber.clock() > until_when then error('the peer does not start: ' .. tostring(problem), 2) end
    fiber.sleep(0.01)
  end
end

-- -- Processes ------------------------------------------------------------------------------------------

--- True when the shell finds the program. The folders of system programs are looked at, too.
function peer.installed(program)
  return (os.execute(('PATH=$PATH:/usr/sbin:/sbin command -v %s >/dev/null'):format(program)))
end

--- A new folder that only this user can enter. The caller removes it with remove_folder().
function peer.folder()
  local pipe = assert(io.popen('mktemp -d', 'r'))
  local path = pipe:read('l')
  pipe:close()
  return assert(path, 'no temporary folder')
end

function peer.put_file(path, text)
  local file <close> = assert(io.open(path, 'wb'))
  assert(file:write(text))
end

--- The text of a file, which is removed.
function peer.take_file(path)
  local file <close> = assert(io.open(path, 'rb'))
  os.remove(path)
  return file:read('a')
end

function peer.remove_folder(path) os.execute(("rm -rf '%s'"):format(path)) end

local process = {}
process.__index = process

--- Starts a shell command that ends by itself after a minute, should nobody stop it. What it writes goes
--- to `log`.
function peer.start(command, log)
  local pipe = assert(io.popen(
    ('export PATH=$PATH:/usr/sbin:/sbin; timeout 60 %s >%s 2>&1 </dev/null & echo $!'):format(command, log)))
  local id = tonumber(pipe:read('l'))
  pipe:close()
  return setmetatable({ id = id }, process)
end

--- Whether the process runs: one that has ended may stay known until somebody asks how it ended.
function process:running()
  local file <close> = io.open(('/proc/%d/stat'):format(self.id))
  return file ~= nil and not file:read('a'):find(') Z ', 1, true)
end

--- Ends the process and waits until it has gone.
function process:stop()
  os.execute(('kill %d 2>/dev/null'):format(self.id))
  self:wait()
end

--- Waits until the process has ended.
function process:wait()
  test.eventually(function() return not self:running() end)
end

--- Runs `body(...)`, then `after()` whatever happened.
function peer.finally(after, body, ...)
  local ok, problem = pcall(body, ...)
  after()
  if not ok then error(problem, 0) end
end

--- Runs the functions in fibers of their own and waits for all. Raises the first error.
function peer.all(n, body)
  local fibers = {}
  for i = 1, n do fibers[i] = fiber.spawn(body, i) end
  for i = 1, n do
    local ok, problem = fibers[i]:join()
    if not ok then error(problem, 0) end
  end
end

--- Fails in a case of its own and ends the test when a program is missing.
function peer.need(...)
  for _, program in ipairs { ... } do
    if not peer.installed(program) then
      test.case(program .. ' is installed', function() error(program .. ' is not installed', 0) end)
      test.finish()
    end
  end
end

return peer
