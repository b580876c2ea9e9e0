-- net_tcp_connect.lua: socket.tcp_connect to numeric addresses and unix paths: success, failures,
-- timeouts and cancellation. Only the first result of a failed call is compared.

local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')
local loopback = dofile(here .. 'loopback.lua')
local socket = require 'socket'
local errno = require 'errno'
local fiber = require 'fiber'

-- A failed attempt: nil and the error's name.
local function failure(s)
  return s, t.errno(errno())
end

t.case('TCP', function()
  local listener, port = loopback.listener()
  errno(errno.EBADF)
  local s = socket.tcp_connect('127.0.0.1', port)
  t.check('errno after success', errno())
  t.check('connected', s ~= nil, s:peer().host, s:peer().port == port)
  t.check('it does not block', s:nonblock())
  t.check('its errno', s:errno())
  t.check('its type', s:name().family, s:name().type, s:name().protocol)
  listener:readable(5)
  local accepted = listener:accept()
  t.check('talk', s:write('hello'), accepted:read(5), accepted:write('back'), s:read(4))
  s = socket.tcp_connect('127.0.0.1', tostring(port))
  t.check('port in a string', s:peer().port == port)
  s = socket.tcp_connect('127.0.0.1', port, 5)
  t.check('a timeout', s:peer().port == port)
  listener:close()
  t.check('nobody listens', failure(socket.tcp_connect('127.0.0.1', port)))
  t.check('nobody listens, a timeout', failure(socket.tcp_connect('127.0.0.1', port, 5)))
  t.check('text of the error', errno.strerror())

  listener = socket('AF_INET6', 'SOCK_STREAM', 'tcp')
  listener:bind('::1', 0)
  listener:listen()
  s = socket.tcp_connect('::1', listener:name().port)
  t.check('IPv6', s:peer().host, s:peer().family)
end)

t.case('names', function()
  local listener, port = loopback.listener()
  local s = socket.tcp_connect('localhost', port)
  t.check('localhost', s:peer().host, s:peer().family, s:peer().port == port)
  s = socket.tcp_connect('localhost', tostring(port), 5)
  t.check('localhost, a timeout', s:peer().host, s:nonblock())
  t.check('a service that nobody knows', (socket.tcp_connect('127.0.0.1', 'no-such-service')))
  listener:close()
  t.check('nobody listens, localhost', failure(socket.tcp_connect('localhost', port)))
end)

t.case('unix', function()
  local path = loopback.path()
  t.check('no such path', failure(socket.tcp_connect('unix/', path)))
  local listener = socket('AF_UNIX', 'SOCK_STREAM', 0)
  listener:bind('unix/', path)
  t.check('nobody listens on the path', failure(socket.tcp_connect('unix/', path)))
  listener:listen()
  errno(errno.EBADF)
  local s = socket.tcp_connect('unix/', path)
  t.check('errno after success, unix', errno())
  t.check('connected, unix', s:peer().host, s:peer().port == path, s:peer().family)
  t.check('it does not block, unix', s:nonblock(), s:errno(), s:error())
  s = socket.tcp_connect('unix/', path, 5)
  t.check('a timeout, unix', s:peer().port == path)
  listener:close()
  t.check('a dead socket', failure(socket.tcp_connect('unix/', path)))
  t.check('a path of 108 bytes', failure(socket.tcp_connect('unix/', string.rep('x', 108))))
  os.remove(path)
end)

-- A port at which connecting neither ends well nor badly: its listener takes no more.
local function silent_port()
  local listener, port = loopback.listener(0)
  local waiting = {}
  repeat
    local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
    s:sysconnect('127.0.0.1', port)
    waiting[#waiting + 1] = s
  until not s:writable(0.1)
  return port, listener, waiting
end

t.case('no answer', function()
  local port, listener, waiting = silent_port()
  t.check('timeout', failure(socket.tcp_connect('127.0.0.1', port, 0.05)))
  local ok, err
  local f = fiber.create(function() ok, err = t.try(socket.tcp_connect, '127.0.0.1', port) end)
  fiber.sleep(0.02)
  t.check('it waits', ok)
  f:cancel()
  while ok == nil do fiber.sleep(0.001) end
  t.check('cancelled', ok, err)
  listener:close()
  for _, s in ipairs(waiting) do s:close() end
end)

os.exit(0)
