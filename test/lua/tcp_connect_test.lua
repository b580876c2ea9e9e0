-- tcp_connect_test.lua: socket.tcp_connect with numeric addresses and paths.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local descriptors = require 'descriptors'
local loopback = require 'loopback'
local dns = require 'coir.dns'
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'

--- A port that nobody listens on.
local function free_port()
  local listener, port = loopback.listener()
  listener:close()
  return port
end

--- A port at which connecting neither ends well nor badly: the queue of its listener is full. What
--- is returned must be kept.
local function silent_port()
  local listener = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
  assert(listener:bind('127.0.0.1', 0))
  assert(listener:listen(0))
  local port = listener:name().port
  local queue = { listener }
  repeat
    local s = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
    s:nonblock(true)
    s:sysconnect('127.0.0.1', port)
    queue[#queue + 1] = s
  until #queue > 2 and not s:peer()
  return port, queue
end

test.case('it connects, in waiting mode, and leaves no error', function()
  local listener, port = loopback.listener()
  errno(errno.EBADF)
  local s <close> = test.ok(socket.tcp_connect('127.0.0.1', port))
  test.equal(errno(), 0)
  test.equal(s:errno(), 0)
  test.equal(s:nonblock(), false)
  test.equal(s:peer().port, port)
  test.equal(s:name().protocol, 'tcp')
  local other <close> = test.ok(listener:accept())
  s:write('there\n')
  test.equal(other:readline(), 'there\n')
  other:write('back\n')
  test.equal(s:readline(), 'back\n')
  listener:close()
end)

test.case('the port can be text or a float without a fraction', function()
  local listener <close>, port = loopback.listener()
  local a <close> = test.ok(socket.tcp_connect('127.0.0.1', tostring(port)))
  local b <close> = test.ok(socket.tcp_connect('127.0.0.1', port + 0.0, 5))
  test.equal(b:peer().port, port)
  test.ok(a and listener)
end)

test.case('a table names the options', function()
  local listener <close>, port = loopback.listener()
  local s <close> = test.ok(socket.tcp_connect {
    host = '127.0.0.1', port = port, timeout = 5, bind = '127.0.0.2', nodelay = true,
    keepalive = true, attempt_delay = 0.01,
  })
  test.equal(s:name().host, '127.0.0.2')
  test.equal(s:getsockopt('tcp', 'TCP_NODELAY'), 1)
  test.equal(s:getsockopt('socket', 'SO_KEEPALIVE'), 1)
  local own_port = free_port()
  local t <close> = test.ok(socket.tcp_connect {
    host = '127.0.0.1', port = port, bind = { host = '127.0.0.1', port = own_port },
  })
  test.equal(t:name().port, own_port)
  test.equal(t:getsockopt('tcp', 'TCP_NODELAY'), 0)
  test.ok(listener)
end)

test.case('wrong arguments raise and say which', function()
  test.raises('bad argument', socket.tcp_connect)
  test.raises('bad argument', socket.tcp_connect, '127.0.0.1')
  test.raises('bad argument', socket.tcp_connect, '127.0.0.1', {})
  test.raises('bad argument', socket.tcp_connect, 5, 80)
  test.raises('NaN', socket.tcp_connect, '127.0.0.1', 80, 0 / 0)
  test.raises('tcp_connect: unknown option timout', socket.tcp_connect, { port = 80, timout = 1 })
  test.raises('tcp_connect: unknown option 1', socket.tcp_connect, { '127.0.0.1', port = 80 })
  test.raises('tcp_connect: port is missing', socket.tcp_connect, { host = '127.0.0.1' })
  for option, wrong in pairs {
    ['host must be a string, not number'] = { host = 1 },
    ['port must be a number or a string, not boolean'] = { port = true },
    ['timeout must be a number, not string'] = { timeout = 'x' },
    ['timeout must be a number, not number'] = { timeout = 0 / 0 },
    ['nodelay must be a boolean, not number'] = { nodelay = 1 },
    ['keepalive must be a boolean, not string'] = { keepalive = 'yes' },
    ['bind: unknown option hst'] = { bind = { hst = 1 } },
    ['bind: not a numeric address and a port'] = { bind = 'localhost' },
    ['bind: not a numeric'] = { bind = {} },
    ['bind: not a'] = { bind = { host = '::1', port = 65536 } },
  } do
    wrong.port = wrong.port or 80
    test.raises('tcp_connect: ' .. option, socket.tcp_connect, wrong)
  end
end)

test.case('what cannot be a port fails, and the message has it', function()
  for _, port in ipairs { 0, 65536, -1, 80.5, '65536', '-1', '080000' } do
    local message = test.fails('EINVAL', socket.tcp_connect('127.0.0.1', port))
    test.ok(message:find(('127.0.0.1:%s: no such port'):format(port), 1, true), message)
  end
  test.equal(socket.errno(), errno.EINVAL)
end)

test.case('nobody listens: ECONNREFUSED, with the address', function()
  local port = free_port()
  local message = test.fails('ECONNREFUSED', socket.tcp_connect('127.0.0.1', port))
  test.equal(message, ('127.0.0.1:%d: Connection refused'):format(port))
  test.equal(errno(), errno.ECONNREFUSED)
  test.equal(socket.errno(), errno.ECONNREFUSED)
end)

test.case('no answer: ETIMEDOUT after the timeout, and nothing stays open', function()
  local port, queue = silent_port()
  collectgarbage()
  local before = descriptors.count()
  local message = test.fails('ETIMEDOUT',
    test.takes(0.05, 5, socket.tcp_connect, '127.0.0.1', port, 0.05))
  test.equal(message, ('127.0.0.1:%d: Connection timed out'):format(port))
  test.fails('ETIMEDOUT', socket.tcp_connect('127.0.0.1', port, 0))
  collectgarbage()
  test.equal(descriptors.count(), before)
  test.ok(queue)
end)

test.case('cancelling raises at once, and nothing stays open', function()
  local port, queue = silent_port()
  collectgarbage()
  local before = descriptors.count()
  local f = fiber.spawn(socket.tcp_connect, '127.0.0.1', port)
  test.settle()
  f:cancel()
  local ok, problem = f:join()
  test.ok(not ok and fiber.is_cancelled(problem))
  collectgarbage()
  test.equal(descriptors.count(), before)
  test.ok(queue)
end)

test.case('a cancelled fiber does not even begin', function()
  local f = fiber.spawn(function()
    pcall(fiber.sleep, 1000)
    return socket.tcp_connect('127.0.0.1', 1)
  end)
  test.settle()
  f:cancel()
  local ok, problem = f:join()
  test.ok(not ok and fiber.is_cancelled(problem))
end)

test.case('a Unix socket is connected by its path', function()
  local path = os.tmpname()
  os.remove(path)
  local message = test.fails('ENOENT', socket.tcp_connect('unix/', path))
  test.equal(message, ('unix/:%s: No such file or directory'):format(path))
  local listener = assert(socket('AF_UNIX', 'SOCK_STREAM'))
  assert(listener:bind('unix/', path))
  test.fails('ECONNREFUSED', socket.tcp_connect('unix/', path))
  assert(listener:listen())
  local s <close> = test.ok(socket.tcp_connect('unix/', path, 5))
  test.equal(s:peer().port, path)
  listener:close()
  os.remove(path)
  message = test.fails('ENOBUFS', socket.tcp_connect('unix/', ('x'):rep(108)))
  test.match(message, 'path is longer than 107 bytes')
  test.fails('EINVAL', socket.tcp_connect('unix/', ''))
  test.fails('EINVAL', socket.tcp_connect('unix/', 'a\0b'))
end)

test.case('a local address that is not ours fails', function()
  local listener <close>, port = loopback.listener()
  test.fails('EADDRNOTAVAIL',
    socket.tcp_connect { host = '127.0.0.1', port = port, bind = '192.0.2.1' })
  test.ok(listener)
end)

test.case('names: what cannot be one is refused, what is unknown is named', function()
  for _, name in ipairs { ('x'):rep(300), 'a..b', 'a\0b' } do
    local message = test.fails('EIO', socket.tcp_connect(name, 80, 5))
    test.ok(message:find(name:sub(1, 1), 1, true))
  end
  test.match(test.fails('EIO', socket.tcp_connect('127.0.0.1', '80x')), '127.0.0.1:80x')
end)

--- Calls body while the name `both` has the addresses 127.0.0.1 and 127.0.0.2.
local function with_both(body)
  local path, before = os.tmpname(), dns.files()
  local file <close> = assert(io.open(path, 'w'))
  file:write('127.0.0.1 both\n127.0.0.2 both\n')
  file:close()
  dns.files { hosts = path }
  local ok, problem = pcall(body)
  dns.files(before)
  os.remove(path)
  if not ok then error(problem, 0) end
end

test.case('an address that says nothing does not hold up the others', function()
  local port, queue = silent_port()
  local server <close> = test.ok(socket.tcp_server('127.0.0.2', port, function(s)
    s:write('here')
  end))
  with_both(function()
    local s <close> = test.ok(socket.tcp_connect {
      host = 'both', port = port, attempt_delay = 0.01,
    })
    test.equal(s:peer().host, '127.0.0.2')
    test.equal(s:read(nil, 10), 'here')
  end)
  test.ok(server and queue)
end)

test.case('when nothing works, the message has every address', function()
  local port = free_port()
  with_both(function()
    local message = test.fails('ECONNREFUSED', socket.tcp_connect('both', port))
    test.equal(message, (('127.0.0.1:P: Connection refused; 127.0.0.2:P: Connection refused')
      :gsub('P', math.tointeger(port))))
  end)
end)

test.case('a server listens on every address of a name, all on one port', function()
  with_both(function()
    local server <close> = test.ok(socket.tcp_server('both', 0, function(s)
      s:write(s:name().host)
    end))
    local port = server:name().port
    test.equal(test.ok(socket.tcp_connect('127.0.0.1', port)):read(nil, 10), '127.0.0.1')
    test.equal(test.ok(socket.tcp_connect('127.0.0.2', port)):read(nil, 10), '127.0.0.2')
  end)
end)

test.case('localhost is found', function()
  local server <close> = test.ok(socket.tcp_server('localhost', 0, function(s)
    s:write('hello')
  end))
  local s <close> = test.ok(socket.tcp_connect('localhost', server:name().port, 10))
  test.equal(s:read(nil, 10), 'hello')
end)

test.finish()
