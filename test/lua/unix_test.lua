-- unix_test.lua: Unix sockets: paths, abstract names, the three types, credentials, passing
-- descriptors.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local descriptors = require 'descriptors'
local loopback = require 'loopback'
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'

local function unix(type) return assert(socket('AF_UNIX', type or 'SOCK_STREAM', 0)) end

local unique = 0
local function abstract_name()
  unique = unique + 1
  return ('\0coir test %d %s'):format(unique, tostring({}))
end

-- -- Names ----------------------------------------------------------------------------------------

for _, type in ipairs { 'SOCK_STREAM', 'SOCK_SEQPACKET' } do
  for kind, name_of in pairs { path = loopback.free_path, ['abstract name'] = abstract_name } do
    test.case(('%s over a %s'):format(type, kind), function()
      local name, guard <close> = name_of()
      local listener = unix(type)
      test.equal({ listener:bind('unix/', name), listener:listen() }, { true, true })
      local own = listener:name()
      test.equal({ own.host, own.port, own.family, own.type, own.protocol },
        { 'unix/', name, 'AF_UNIX', type, 0 })
      local client = unix(type)
      test.equal({ client:sysconnect('unix/', name) }, { true })
      local server, from = listener:accept()
      test.equal(from, { host = 'unix/', port = '', family = 'AF_UNIX' })
      client:send('question')
      test.equal(server:recv(100), 'question')
      server:send('answer')
      test.equal(client:recv(100), 'answer')
      test.equal({ client:peer().port, server:name().port }, { name, name })
      client:close()
      test.equal(server:recv(100), '')
      return guard
    end)
  end
end

for kind, name_of in pairs { path = loopback.free_path, ['abstract name'] = abstract_name } do
  test.case('datagrams over a ' .. kind, function()
    local server_name, guard <close> = name_of()
    local client_name, other_guard <close> = name_of()
    local server, client = unix('SOCK_DGRAM'), unix('SOCK_DGRAM')
    server:bind('unix/', server_name)
    client:bind('unix/', client_name)
    test.equal({ client:sendto('unix/', server_name, 'hello') }, { 5 })
    test.equal({ server:recvfrom() }, { 'hello',
      { host = 'unix/', port = client_name, family = 'AF_UNIX' } })
    test.equal({ client:sendto('unix/', server_name, '') }, { 0 })
    test.equal((server:recvfrom()), '')
    local nameless = unix('SOCK_DGRAM')
    nameless:sendto('unix/', server_name, 'from nobody')
    local data, from = server:recvfrom()
    test.equal(data, 'from nobody')
    test.ok(from == nil or from.port == '')
    return guard, other_guard
  end)
end

test.case('a path of 107 bytes fits, a longer one is ENOBUFS', function()
  local function path(n) return '/tmp/' .. ('p'):rep(n - 5) end
  os.remove(path(107))
  test.equal({ unix():bind('unix/', path(107)) }, { true })
  os.remove(path(107))
  for _, n in ipairs { 109, 200, 10 << 20 } do
    test.refused('ENOBUFS', unix():bind('unix/', path(n)))
    test.refused('ENOBUFS', unix():sysconnect('unix/', path(n)))
    test.fails('ENOBUFS', unix('SOCK_DGRAM'):sendto('unix/', path(n), 'x'))
  end
  local message = test.refused('ENOBUFS', unix():bind('unix/', path(109)))
  test.match(message, '107')
  test.equal({ unix():bind('unix/', '\0' .. ('a'):rep(106)) }, { true })
end)

test.case('paths that are none are refused', function()
  test.refused('EINVAL', unix():bind('unix/', ''))
  test.refused('EINVAL', unix():bind('unix/'))
  test.refused('EINVAL', unix():bind('unix/', 'a\0b'))
  test.refused('EINVAL', unix():bind('/tmp/x'))
  test.refused('EINVAL', unix():bind('127.0.0.1', 80))
  test.refused('EINVAL', unix():bind('unix/', {}))
  test.refused('ENOENT', unix():bind('unix/', '/nonexistent/folder/socket'))
end)

test.case('connecting to nobody is ENOENT or ECONNREFUSED, and the message names the path', function()
  local path, guard <close> = loopback.free_path()
  test.equal({ unix():sysconnect('unix/', path) },
    { false, ('unix/:%s: No such file or directory'):format(path), errno.ENOENT })
  local dead = unix()
  dead:bind('unix/', path)
  test.refused('ECONNREFUSED', unix():sysconnect('unix/', path))
  dead:close()
  test.refused('ECONNREFUSED', unix():sysconnect('unix/', path))
  test.refused('EADDRINUSE', unix():bind('unix/', path))
  test.refused('ECONNREFUSED', unix():sysconnect('unix/', abstract_name()))
  test.fails('ENOENT', unix('SOCK_DGRAM'):sendto('unix/', '/tmp/nobody/here', 'x'))
  return guard
end)

test.case('a listener whose queue is full makes sysconnect wait', function()
  local name = abstract_name()
  local listener = unix()
  listener:bind('unix/', name)
  listener:listen(1)
  local clients = {}
  repeat
    clients[#clients + 1] = unix()
  until not clients[#clients]:sysconnect('unix/', name, 0)
  test.refused('ETIMEDOUT', test.takes(0.009, 5, clients[#clients].sysconnect, clients[#clients],
    'unix/', name, 0.01))
  local immediate = unix()
  immediate:nonblock(true)
  test.refused('EAGAIN', immediate:sysconnect('unix/', name))
  local connector = fiber.spawn(clients[#clients].sysconnect, clients[#clients], 'unix/', name)
  test.settle()
  test.equal(connector:status(), 'suspended')
  listener:accept()
  test.equal({ connector:join() }, { true, true })
end)

test.case('sendto to a full queue waits, gives up after its timeout, and goes on', function()
  local name = abstract_name()
  local server, client = unix('SOCK_DGRAM'), unix('SOCK_DGRAM')
  server:bind('unix/', name)
  client:nonblock(true)
  while client:sendto('unix/', name, 'x') do end
  test.equal(client:errno(), errno.EAGAIN)
  client:nonblock(false)
  test.fails('ETIMEDOUT', test.takes(0.009, 5, client.sendto, client, 'unix/', name, 'x', nil,
    0.01))
  local sender = fiber.spawn(client.sendto, client, 'unix/', name, 'last')
  test.settle()
  repeat local data = server:recv(nil, nil, 5) until data == 'last'
  test.equal({ sender:join() }, { true, 4 })
end)

test.case('messages of SOCK_SEQPACKET keep their bounds', function()
  local a, b = loopback.unix_pair('SOCK_SEQPACKET')
  a:send('one')
  a:send(('2'):rep(100000))
  a:send('three')
  test.equal({ b:recv(), #b:recv(), b:recv(2) }, { 'one', 100000, 'th' })
end)

test.case('large datagrams come whole', function()
  local a, b = loopback.unix_pair('SOCK_DGRAM')
  local data = ('d'):rep(150000)
  a:send(data)
  test.ok(b:recv() == data)
end)

test.case('SO_PEERCRED says who is at the other end', function()
  local a = loopback.unix_pair()
  local stat <close> = io.open('/proc/self/stat')
  local credentials = a:getsockopt('SOL_SOCKET', 'SO_PEERCRED')
  test.equal(credentials.pid, stat:read('n'))
  test.equal({ math.type(credentials.uid), math.type(credentials.gid) }, { 'integer', 'integer' })
end)

-- -- Passing descriptors --------------------------------------------------------------------------

test.case('a descriptor goes from one socket to another', function()
  for _, type in ipairs { 'SOCK_STREAM', 'SOCK_DGRAM', 'SOCK_SEQPACKET' } do
    local a, b = loopback.unix_pair(type)
    local left, right = loopback.pair()
    test.equal({ a:sendfd(left:fd(), 'here') }, { true })
    local fd, data = b:recvfd()
    test.equal({ math.type(fd), data }, { 'integer', 'here' })
    test.ok(fd ~= left:fd())
    local copy = socket.from_fd(fd)
    copy:write('through the copy')
    test.equal(right:read(16), 'through the copy')
    test.equal(copy:name().port, left:name().port)
  end
end)

test.case('sendfd takes a socket too, and data may be missing', function()
  local a, b = loopback.unix_pair()
  local left, right = loopback.pair()
  test.equal({ a:sendfd(left) }, { true })
  local fd, data = b:recvfd(5)
  test.equal(data, '\0')
  left:close()
  socket.from_fd(fd):write('still open')
  test.equal(right:read(10), 'still open')
end)

test.case('the received descriptor is closed on exec', function()
  local a, b = loopback.unix_pair()
  a:sendfd(a)
  local info <close> = io.open(('/proc/self/fdinfo/%d'):format((b:recvfd())))
  test.ok(tonumber(info:read('a'):match('flags:%s*(%d+)'), 8) & 0x80000 ~= 0)
end)

test.case('recvfd of ordinary data gives nil and the data', function()
  local a, b = loopback.unix_pair()
  a:write('no descriptor')
  test.equal({ b:recvfd() }, { nil, 'no descriptor' })
  a:close()
  test.equal({ b:recvfd() }, { nil, '' })
end)

test.case('recvfd waits, and gives up after its timeout', function()
  local a, b = loopback.unix_pair()
  test.fails('ETIMEDOUT', test.takes(0.004, 5, b.recvfd, b, 0.005))
  local receiver = fiber.spawn(b.recvfd, b)
  fiber.yield()
  a:sendfd(a, 'x')
  local _, fd, data = receiver:join()
  test.equal({ math.type(fd), data }, { 'integer', 'x' })
  socket.from_fd(fd):close()
  b:nonblock(true)
  test.fails('EAGAIN', b:recvfd())
end)

test.case('sendfd says what is wrong', function()
  local a, _b = loopback.unix_pair()
  for _, fd in ipairs { -1, 100000, 1 << 32, (1 << 32) + 1, math.mininteger } do
    test.refused('EBADF', a:sendfd(fd))
  end
  test.raises('at least one byte', a.sendfd, a, a, '')
  test.raises('number expected', a.sendfd, a)
  test.raises('number expected', a.sendfd, a, {})
  test.raises('integer', a.sendfd, a, 1.5)
  local closed = unix()
  closed:close()
  test.raises('attempt to use closed socket', a.sendfd, a, closed)
  local tcp = loopback.pair()
  test.ok(not tcp:sendfd(a))
  return _b
end)

test.case('a large message goes with its descriptor whole', function()
  local a, b = loopback.unix_pair()
  local data = ('d'):rep(1 << 20)
  local sender = fiber.spawn(a.sendfd, a, a, data)
  local fd, first = b:recvfd()
  test.equal(#first + #b:read(#data - #first), #data)
  test.equal({ sender:join() }, { true, true })
  socket.from_fd(fd):close()
end)

test.case('passing descriptors leaks none', function()
  local a, b = loopback.unix_pair()
  local before = descriptors.count()
  for _ = 1, 100 do
    a:sendfd(a)
    socket.from_fd((b:recvfd())):close()
  end
  test.equal(descriptors.count(), before)
end)

test.finish()
