-- socket_connect_test.lua: bind, listen, accept, sysconnect and shutdown.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local loopback = require 'loopback'
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'

local function tcp() return socket('AF_INET', 'SOCK_STREAM', 'tcp') end

-- -- bind and listen ------------------------------------------------------------------------------

test.case('bind takes an address and a port', function()
  local s = tcp()
  test.equal({ s:bind('127.0.0.1', 0) }, { true })
  test.equal(s:name().host, '127.0.0.1')
  test.ok(s:name().port > 0)
end)

test.case('sysbind is bind', function()
  test.equal(tcp().sysbind, tcp().bind)
end)

test.case('the port may be missing, a whole number or text', function()
  for _, port in ipairs { 0, 0.0, '0', '00000' } do
    test.equal({ tcp():bind('127.0.0.1', port) }, { true })
  end
  test.equal({ tcp():bind('127.0.0.1') }, { true })
  test.equal({ tcp():bind('127.0.0.1', nil) }, { true })
end)

test.case('addresses may be short, and 0 means all', function()
  for _, host in ipairs { '0', 0, '0.0.0.0', '127.1', '0x7f000001', '2130706433' } do
    test.equal({ tcp():bind(host, 0) }, { true })
  end
  for _, host in ipairs { '::', '::1', '::ffff:127.0.0.1' } do
    test.equal({ socket('AF_INET6', 'SOCK_STREAM', 0):bind(host, 0) }, { true })
  end
end)

test.case('what is no address or port is EINVAL, and the message names it', function()
  for _, host in ipairs { 'localhost', '', '1.2.3.4.5', '256.0.0.1', '127.0.0.1 ', ' 127.0.0.1',
      '127.0.0.1\0', 'a\nb',
    ('1'):rep(1000) } do
    test.refused('EINVAL', tcp():bind(host, 0))
  end
  test.equal({ tcp():bind('localhost', 80) },
    { false, 'localhost:80: Invalid argument', errno.EINVAL })
  for _, port in ipairs { -1, 65536, 1e300, 0 / 0, 80.5, '80x', 'x', '', ' 80', '-1', '65536',
      '0x50', {}, true } do
    test.match(test.refused('EINVAL', tcp():bind('127.0.0.1', port)), '^127%.0%.0%.1:')
  end
  for _, host in ipairs { {}, true, print } do
    test.refused('EINVAL', tcp():bind(host, 0))
  end
  test.refused('EINVAL', tcp():bind())
  test.refused('EINVAL', tcp():bind(nil, 0))
end)

test.case('an address of another family is EAFNOSUPPORT', function()
  test.refused('EAFNOSUPPORT', tcp():bind('::1', 0))
  test.refused('EAFNOSUPPORT', socket('AF_INET6', 'SOCK_STREAM', 0):bind('127.0.0.1', 0))
  test.refused('EAFNOSUPPORT', tcp():bind('unix/', '/tmp/x'))
end)

test.case('bind says what the kernel refuses', function()
  local s, port = loopback.listener()
  local message = test.refused('EADDRINUSE', tcp():bind('127.0.0.1', port))
  test.equal(message, ('127.0.0.1:%d: Address already in use'):format(port))
  test.refused('EADDRNOTAVAIL', tcp():bind('192.0.2.99', 0))
  test.refused('EINVAL', s:bind('127.0.0.1', 0))
  test.equal(s:errno(), errno.EINVAL)
end)

test.case('listen takes a backlog and can be called again', function()
  local s = tcp()
  s:bind('127.0.0.1', 0)
  for _, backlog in ipairs { 1, 0, -5, 1 << 40, math.mininteger } do
    test.equal({ s:listen(backlog) }, { true })
  end
  test.equal({ s:listen() }, { true })
  test.raises('number expected', s.listen, s, 'many')
end)

test.case('listen says what the kernel refuses', function()
  local a = loopback.pair()
  test.refused('EINVAL', a:listen())
  test.refused('EOPNOTSUPP', loopback.datagram():listen())
end)

-- -- accept and sysconnect ------------------------------------------------------------------------

test.case('accept gives the socket and where it is from', function()
  for _, host in ipairs { '127.0.0.1', '::1' } do
    local listener, port = loopback.listener(host)
    local client = socket(host == '::1' and 'AF_INET6' or 'AF_INET', 'SOCK_STREAM', 'tcp')
    test.equal({ client:sysconnect(host, port) }, { true })
    local server, from = listener:accept()
    test.equal(from, { host = host, port = client:name().port, family = client:name().family })
    test.equal(server:peer().port, client:name().port)
  end
end)

test.case('accept waits for somebody', function()
  local listener, port = loopback.listener()
  local acceptor = fiber.spawn(function() return listener:accept() end)
  fiber.yield()
  test.equal(acceptor:status(), 'suspended')
  tcp():sysconnect('127.0.0.1', port)
  test.equal(acceptor:join(), true)
end)

test.case('several fibers may accept from one listener', function()
  local listener, port = loopback.listener()
  local acceptors, clients = {}, {}
  for i = 1, 5 do acceptors[i] = fiber.spawn(function() return listener:accept() end) end
  fiber.yield()
  for i = 1, 5 do
    clients[i] = tcp()
    clients[i]:sysconnect('127.0.0.1', port)
  end
  for i = 1, 5 do
    local ok, s = acceptors[i]:join()
    test.ok(ok and s:fd())
  end
end)

test.case('accept gives up after its timeout', function()
  local listener = loopback.listener()
  test.fails('ETIMEDOUT', test.takes(0.004, 5, listener.accept, listener, 0.005))
  test.equal(listener:errno(), errno.ETIMEDOUT)
  for _, timeout in ipairs { 0, -1, -math.huge } do
    test.fails('ETIMEDOUT', listener:accept(timeout))
  end
  test.raises('NaN', listener.accept, listener, 0 / 0)
end)

test.case('accept with timeout 0 takes who is there', function()
  local listener, port = loopback.listener()
  tcp():sysconnect('127.0.0.1', port)
  test.ok(listener:accept(0))
end)

test.case('accept of what does not listen is EINVAL', function()
  local s = tcp()
  test.fails('EINVAL', s:accept())
  s:nonblock(true)
  test.fails('EINVAL', s:accept())
  test.fails('EOPNOTSUPP', loopback.datagram():accept())
end)

test.case('accepted sockets inherit the listener\'s mode', function()
  local listener, port = loopback.listener()
  for _, mode in ipairs { true, false } do
    listener:nonblock(mode)
    tcp():sysconnect('127.0.0.1', port)
    listener:readable()
    test.equal(listener:accept():nonblock(), mode)
  end
end)

test.case('in immediate mode accept fails with EAGAIN when nobody is there', function()
  local listener = loopback.listener()
  listener:nonblock(true)
  test.fails('EAGAIN', listener:accept())
  test.fails('EAGAIN', listener:accept(100))
end)

test.case('in immediate mode sysconnect says EINPROGRESS', function()
  local listener, port = loopback.listener()
  local client = tcp()
  client:nonblock(true)
  test.refused('EINPROGRESS', client:sysconnect('127.0.0.1', port))
  test.equal(client:writable(5), true)
  test.equal(client:getsockopt('SOL_SOCKET', 'SO_ERROR'), 0)
  test.equal({ client:sysconnect('127.0.0.1', port) }, { true })
  test.refused('EISCONN', client:sysconnect('127.0.0.1', port))
  listener:close()
end)

test.case('a port at which nobody listens refuses', function()
  local s, port = loopback.listener()
  s:close()
  local client = tcp()
  local message = test.refused('ECONNREFUSED', client:sysconnect('127.0.0.1', port))
  test.equal(message, ('127.0.0.1:%d: Connection refused'):format(port))
  test.equal(client:errno(), errno.ECONNREFUSED)
end)

test.case('sysconnect with addresses that are none is EINVAL', function()
  for _, host in ipairs { 'localhost', '', '1.2.3', {} } do
    if host ~= '1.2.3' then test.refused('EINVAL', tcp():sysconnect(host, 80)) end
  end
  for _, port in ipairs { 'http', -1, 70000, 1.5 } do
    test.refused('EINVAL', tcp():sysconnect('127.0.0.1', port))
  end
  test.refused('EAFNOSUPPORT', tcp():sysconnect('::1', 80))
end)

--- A listener whose queue is full, so that further connections get no answer.
local function deaf_listener()
  local listener, port = loopback.listener()
  listener:listen(0)
  local clients = {}
  for i = 1, 5 do
    clients[i] = tcp()
    clients[i]:nonblock(true)
    clients[i]:sysconnect('127.0.0.1', port)
  end
  return port, listener, clients
end

test.case('sysconnect gives up after its timeout', function()
  local port, _keep, _clients = deaf_listener()
  for _, timeout in ipairs { 0.02, 0, -1 } do
    local client = tcp()
    local message = test.refused('ETIMEDOUT',
      test.takes(timeout * 0.9, 5, client.sysconnect, client, '127.0.0.1', port,
      timeout))
    test.match(message, ('^127%%.0%%.0%%.1:%d: '):format(port))
  end
  test.raises('NaN', tcp().sysconnect, tcp(), '127.0.0.1', port, 0 / 0)
  return _keep, _clients
end)

test.case('a cancelled fiber stops connecting', function()
  local port, _keep, _clients = deaf_listener()
  local client = tcp()
  local f = fiber.spawn(client.sysconnect, client, '127.0.0.1', port)
  fiber.yield()
  f:cancel()
  test.ok(fiber.is_cancelled(select(2, f:join())))
  return _keep, _clients
end)

-- -- shutdown -------------------------------------------------------------------------------------

test.case('shutdown of the writing half lets the peer read to the end, and answer', function()
  for _, how in ipairs { 'W', 'WRITE', 'send', 1, '1', socket.SHUT_WR } do
    local a, b = loopback.pair()
    a:write('question')
    test.equal({ a:shutdown(how) }, { true })
    test.equal(b:read(), 'question')
    b:write('answer')
    b:close()
    test.equal(a:read(), 'answer')
    test.fails('EPIPE', a:write('x'))
  end
end)

test.case('shutdown of the reading half ends reading', function()
  for _, how in ipairs { 'R', 'READ', 'receive', 0, '0', socket.SHUT_RD } do
    local a, b = loopback.pair()
    test.equal({ a:shutdown(how) }, { true })
    test.equal(a:read(), '')
    a:write('still writing')
    test.equal(b:read(13), 'still writing')
  end
end)

test.case('shutdown of both halves, which nothing means too', function()
  for _, how in ipairs { 'RW', 'READ_WRITE', 'both', 2, '2', socket.SHUT_RDWR, false } do
    local a, b = loopback.pair()
    test.equal({ a:shutdown(how or nil) }, { true })
    test.equal({ a:read(), b:read() }, { '', '' })
    test.fails('EPIPE', a:write('x'))
  end
end)

test.case('an unknown word or number is EINVAL and changes nothing', function()
  local a, b = loopback.pair()
  for _, how in ipairs { 'rw', 'w', '', 3, -1, 1.5, 0 / 0, {}, true, print } do
    test.refused('EINVAL', a:shutdown(how))
  end
  a:write('works')
  test.equal(b:read(5), 'works')
end)

test.case('shutdown of an unconnected socket is ENOTCONN', function()
  local s = tcp()
  test.refused('ENOTCONN', s:shutdown())
  test.equal(s:errno(), errno.ENOTCONN)
end)

test.case('shutdown wakes a fiber that reads', function()
  local a, _b = loopback.pair()
  local reader = fiber.spawn(a.read, a)
  fiber.yield()
  a:shutdown('R')
  test.equal({ reader:join() }, { true, '' })
  return _b
end)

test.finish()
