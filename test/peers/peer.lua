--- peer.lua: starts and stops the programs with which coir is tested end to end.
local descriptors = require 'descriptors'
local fiber = require 'fiber'
local socket = require 'socket'
local test = require 'test'

local peer = {}

--- Raises a clear message when the program is not installed.
function peer.need(program, package)
  if not os.execute('command -v ' .. program .. ' >/dev/null') then
    error(('%s is not installed: apt-get install %s'):format(program, package), 2)
  end
end

--- A TCP port on which nobody listens at this moment.
function peer.free_port()
  local s <close> = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
  assert(s:bind('127.0.0.1', 0))
  return s:name().port
end

--- A connection to a port of this machine, or nil, message, code.
function peer.connect(port)
  local s = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
  local done, message, code = s:sysconnect('127.0.0.1', port, 10)
  if done then return s end
  s:close()
  return nil, message, code
end

--- Runs a shell command while other fibers go on. Returns its output, and true if it succeeded.
function peer.run(command)
  local fd, pipe = descriptors.opened_by(io.popen, 'exec timeout 60 ' .. command .. ' </dev/null', 'r')
  local s = socket.from_fd(fd)
  local output = s:read()
  s:detach()
  return output, (pipe:close())
end

--- A new folder under /tmp that everybody may read.
function peer.new_folder()
  local pipe = io.popen('folder=$(mktemp -d) && chmod 755 "$folder" && echo "$folder"', 'r')
  local folder = pipe:read('l')
  pipe:close()
  return folder
end

local server = {}
server.__index = server

--- Starts a server that stays in the foreground, and waits until its port answers. It ends by itself after
--- a while, should nobody stop it.
function peer.start(command, port)
  local pipe = io.popen('timeout 100 ' .. command .. ' >/dev/null 2>&1 </dev/null & echo $!', 'r')
  local self = setmetatable({ id = pipe:read('n'), port = port }, server)
  pipe:close()
  test.eventually(function()
    if not self:runs() then error('the server did not start: ' .. command) end
    local s <close> = peer.connect(port)
    return s ~= nil
  end)
  return self
end

function server:runs() return (os.execute(('kill -0 %d 2>/dev/null'):format(self.id))) end

--- Stops the server and waits until it is gone.
function server:stop()
  os.execute(('kill %d'):format(self.id))
  test.eventually(function() return not self:runs() end)
end

--- Starts a server with start(), runs the cases and stops it, whatever happens. A start that fails is a
--- failed case.
function peer.with_server(start, cases)
  local started, stop
  test.case('the server starts', function() started, stop = start() end)
  if not started then return end
  cases(started)
  test.case('the server stops', function() stop() end)
end

--- Runs body(i) in n fibers at once and waits for them; raises the first error.
function peer.in_fibers(n, body)
  local fibers = {}
  for i = 1, n do fibers[i] = fiber.spawn(body, i) end
  for i = 1, n do
    local ok, message = fibers[i]:join()
    if not ok then error(message, 2) end
  end
end

return peer
