-- net_tcp_server.lua: socket.tcp_server on numeric addresses and unix paths: handlers, `prepare`,
-- fiber names, errors, and what closing does.

local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')
local loopback = dofile(here .. 'loopback.lua')
local socket = require 'socket'
local errno = require 'errno'
local fiber = require 'fiber'

local function ignore() end

-- Connects to a server, waiting for that.
local function connect(server)
  local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  s:sysconnect('127.0.0.1', server:name().port)
  assert(s:writable(5))
  return s
end

-- Whether a fiber with that name exists.
local function fiber_named(name)
  for _, row in pairs(fiber.info({ bt = false })) do
    if row.name == name then return true end
  end
  return false
end

t.case('a handler', function()
  local seen_from, seen_nonblock
  local server, address = socket.tcp_server('127.0.0.1', 0, function(s, from)
    seen_from, seen_nonblock = from, s:nonblock()
    s:write('you said ' .. s:read('\n'))
  end)
  t.check('the server', server:name().host, server:name().port > 0, server:errno())
  t.check('the address asked for', address.host, address.port, address.family, address.type)
  t.check('it listens', server:getsockopt('SOL_SOCKET', 'SO_ACCEPTCONN'))
  t.check('it may reuse its address', server:getsockopt('SOL_SOCKET', 'SO_REUSEADDR'))
  t.check('its fiber', fiber_named('server/127.0.0.1:0'))
  local client = connect(server)
  local port = client:name().port
  client:write('hello\n')
  t.check('the answer', client:read('\n'))
  t.check('from', seen_from.host, seen_from.port == port, seen_from.family)
  t.check('its socket does not block', seen_nonblock)
  t.check('the end, when the handler has returned', client:read(1))

  local first, second = connect(server), connect(server)
  second:write('second\n')
  t.check('two at a time, the second', second:read('\n'))
  t.check('its handler by name', fiber_named('server/127.0.0.1:' .. first:name().port))
  first:write('first\n')
  t.check('two at a time, the first', first:read('\n'))

  first = connect(server)
  local name = 'server/127.0.0.1:' .. first:name().port
  while not fiber_named(name) do fiber.sleep(0.001) end
  first:write('going ')
  server:close()
  fiber.sleep(0.005)
  t.check('the fiber of a closed server', fiber_named('server/127.0.0.1:0'))
  first:write('on\n')
  t.check('handlers of a closed server go on', first:read('\n'))
end)

t.case('errors in handlers', function()
  local calls = 0
  local server = socket.tcp_server('127.0.0.1', 0, function(s)
    calls = calls + 1
    if calls == 1 then error('the first handler fails') end
    if calls == 2 then s:close() end
  end)
  t.check('after an error the socket is closed', connect(server):read(1))
  t.check('a handler may close its socket', connect(server):read(1))
  t.check('the server goes on', connect(server):read(1), calls)
  server:close()
end)

t.case('a table', function()
  local prepared, bound
  local server = socket.tcp_server('127.0.0.1', 0, {
    name = 'echo',
    prepare = function(s)
      prepared, bound = s:name().host, s:name().port
      return 5
    end,
    handler = function(s) s:write(s:read('\n')) end,
  })
  t.check('prepare sees the socket before bind', prepared, bound)
  t.check('its fiber has the name', fiber_named('echo/127.0.0.1:0'))
  t.check('with prepare, no reuse', server:getsockopt('SOL_SOCKET', 'SO_REUSEADDR'))
  local client = connect(server)
  client:write('hello\n')
  t.check('the echo', client:read('\n'))
  server:close()
  server = socket.tcp_server('127.0.0.1', 0, { handler = ignore })
  t.check('without prepare, reuse', server:getsockopt('SOL_SOCKET', 'SO_REUSEADDR'))
  server:close()
  server = socket.tcp_server('127.0.0.1', 0, { name = string.rep('n', 300), handler = ignore })
  t.check('a long name is cut', fiber_named(string.rep('n', 255)))
  server:close()
  server = socket.tcp_server('127.0.0.1', '0', ignore, 5)
  t.check('port in a string, and a timeout', server:name().port > 0)
  server:close()
end)

t.case('names', function()
  local server, address = socket.tcp_server('localhost', 0, function(s)
    s:write('for ' .. s:read('\n'))
  end)
  t.check('localhost', server:name().family == address.family, address.port)
  local client = socket.tcp_connect('localhost', server:name().port)
  client:write('a name\n')
  t.check('the answer, localhost', client:read(11))
  server:close()
  t.check('a service that nobody knows', (socket.tcp_server('127.0.0.1', 'no-such-service', ignore)))
end)

t.case('unix', function()
  local path = loopback.path()
  local seen
  local server, address = socket.tcp_server('unix/', path, function(s, from)
    seen = from
    s:write('hello from unix')
  end)
  t.check('unix, name', server:name().host, server:name().port == path)
  t.check('unix, address', address.host, address.port == path, address.family, address.type)
  local client = socket('AF_UNIX', 'SOCK_STREAM', 0)
  t.check('unix, connect', client:sysconnect('unix/', path))
  t.check('unix, answer', client:read(100))
  t.check('unix, from', seen.host, seen.port, seen.family)
  local second = socket.tcp_server('unix/', path, ignore)
  t.check('a path in use', second, t.errno(errno()))
  t.check('its fiber, unix', fiber_named('server/unix/:' .. path))
  t.check('close', server:close())
  t.check('the file is gone', (os.rename(path, path)))

  local dead = socket('AF_UNIX', 'SOCK_STREAM', 0)
  dead:bind('unix/', path)
  dead:close()
  server = socket.tcp_server('unix/', path, ignore)
  t.check('a dead socket is taken over', server and server:name().port == path)
  server:close()
end)

t.case('failures', function()
  local taken = loopback.listener()
  local server = socket.tcp_server('127.0.0.1', taken:name().port, ignore)
  t.check('a port that is taken', server, t.errno(errno()))
  server = socket.tcp_server('192.0.2.1', 0, ignore)
  t.check('an address of others', server, t.errno(errno()))
  server = socket.tcp_server('unix/', string.rep('x', 108), ignore)
  t.check('a path that is too long', server, t.errno(errno()))
  server = socket.tcp_server('unix/', loopback.path() .. '/none', ignore)
  t.check('no such folder', server, t.errno(errno()))
  t.refuses('no handler', socket.tcp_server, '127.0.0.1', 0)
  t.refuses('a word as handler', socket.tcp_server, '127.0.0.1', 0, 'handler')
  t.refuses('a table without a handler', socket.tcp_server, '127.0.0.1', 0, {})
  t.refuses('a word as prepare', socket.tcp_server, '127.0.0.1', 0,
    { handler = ignore, prepare = 'prepare' })
end)

os.exit(0)
