-- netnet_test.lua: the socket object of the article "NetNet", and its addresses.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. (arg[0]:match('^.*/') or './') .. '../lua/?.lua;'
  .. package.path
local test = require 'test'
local loopback = require 'loopback'
local peers = require 'netnet_peers'
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'
local netnet = require 'coir.compat.netnet'
local ffi = netnet.ffi
local server, client, pair, receive = peers.server, peers.client, peers.pair, peers.receive

test.case('a new socket has no address, a descriptor, does not listen, and blocks', function()
  local s = netnet.CreateTcpSocket()
  test.equal({ s.Address, s.Listening, math.type(s.Socket), s.native:nonblock() },
    { nil, false, 'integer', false })
end)

test.case('only false makes a socket blocking', function()
  local s = netnet.CreateTcpSocket()
  test.equal(s:SetNonBlocking(), 0)
  test.equal(s.native:nonblock(), true)
  s:SetNonBlocking(false)
  test.equal(s.native:nonblock(), false)
  s:SetNonBlocking(true)
  test.equal(s.native:nonblock(), true)
end)

test.case('accepted sockets inherit the mode', function()
  local listener, port = server { port = 0, nonblocking = true }
  local c = client(port)
  test.equal(listener:Accept().native:nonblock(), true)
  listener:SetNonBlocking(false)
  local c2 = client(port)
  test.equal(listener:Accept().native:nonblock(), false)
  return c, c2
end)

test.case('a blocking call parks its fiber only', function()
  local listener, port = server()
  local order = {}
  fiber.new(function()
    order[#order + 1] = 'other'
    client(port):Send('x')
  end)
  local s = listener:Accept()
  order[#order + 1] = receive(s)
  test.equal(order, { 'other', 'x' })
end)

test.case('bytes arrive, partly, and 0 is the end', function()
  local c, s = pair()
  test.equal(c:Send('hello world'), 11)
  test.equal(receive(s, 5), 'hello')
  test.equal(receive(s), ' world')
  test.equal(s:Send(ffi.new('char[8]', 'buffered'), 4), 4)
  test.equal(s:Send(ffi.new('uint8_t[3]', 0x41)), 3)
  test.equal(receive(c), 'buffAAA')
  c:CloseDown()
  test.equal(receive(s), '')
  test.equal(s:Receive(ffi.new('uint8_t[1]'), 1), 0)
end)

test.case('Receive never takes more than the buffer holds', function()
  local c, s = pair()
  c:Send('0123456789')
  local buff = ffi.new('uint8_t[?]', 4)
  test.equal(s:Receive(buff, 100), 4)
  test.equal(ffi.string(buff, 4), '0123')
  test.equal(s:Receive(buff), 4)
  test.equal(s:Receive(buff + 3, 100), 1)
  test.equal(ffi.string(buff, 4), '4568')
  test.equal(s:Receive(ffi.new('uint32_t[1]')), 1)
end)

test.case('Send of more than there is raises', function()
  local c = pair()
  test.raises('only 3', c.Send, c, 'abc', 4)
  test.raises('only 3', c.Send, c, ffi.new('char[3]'), 4)
  test.raises('a buffer was expected', c.Send, c, nil)
end)

test.case('a large blocking Send is sent whole', function()
  local c, s = pair()
  local data = ('0123456789abcdef'):rep(1 << 17) -- 2 MiB
  local sender = fiber.spawn(function() return c:Send(data) end)
  local parts, total, buff = {}, 0, ffi.new('uint8_t[?]', 1 << 17)
  while total < #data do
    local n = s:Receive(buff)
    parts[#parts + 1], total = ffi.string(buff, n), total + n
  end
  test.equal({ sender:join() }, { true, #data })
  test.ok(table.concat(parts) == data)
end)

test.case('a non-blocking Send takes what fits, then says wouldblock', function()
  local c, s = pair()
  c:SetNonBlocking(true)
  local n, err
  repeat n, err = c:Send(('x'):rep(1 << 20)) until not n
  test.equal({ n, err }, { nil, 'wouldblock' })
  test.ok(s:GetBytesPendingReceive() > 0)
end)

test.case('GetBytesPendingReceive counts and takes nothing', function()
  local c, s = pair()
  test.equal(s:GetBytesPendingReceive(), 0)
  c:Send(('x'):rep(100))
  test.eventually(function() return s:GetBytesPendingReceive() == 100 end)
  test.equal(s.native:nonblock(), false)
  test.equal(receive(s, 40), ('x'):rep(40))
  test.equal(s:GetBytesPendingReceive(), 60)
  local sent = loopback.fill(c.native)
  test.eventually(function() return s:GetBytesPendingReceive() > 65536 end)
  test.ok(s:GetBytesPendingReceive() <= sent + 60)
end)

test.case('Connect: to Address, again without effect, without one a code', function()
  local listener, port = server()
  local s = netnet.CreateTcpSocket()
  test.equal(s:Connect(), errno.EDESTADDRREQ)
  s.Address = netnet.CreateSocketAddress('127.0.0.1', port)
  test.equal(s:Connect(), 0)
  test.equal(s:Connect(), 0)
  s.Address = netnet.CreateSocketAddress('127.0.0.1', port + 1)
  test.equal(s:Connect(), errno.EISCONN)
  return listener
end)

test.case('a non-blocking Connect is repeated until it is 0', function()
  local listener, port = server()
  local s = netnet.CreateTcpSocket()
  s:SetNonBlocking()
  s.Address = netnet.CreateSocketAddress('127.0.0.1', port)
  local code
  repeat code = s:Connect() until code ~= 'wouldblock'
  test.equal(code, 0)
  return listener
end)

test.case('refused is a code, from Connect and from CreateTcpClientSocket', function()
  local s = netnet.CreateTcpSocket()
  s.Address = netnet.CreateSocketAddress('127.0.0.1', 1)
  test.equal(s:Connect(), netnet.WSAECONNREFUSED)
  test.equal({ netnet.CreateTcpClientSocket('127.0.0.1', 1) }, { nil, netnet.WSAECONNREFUSED })
  test.equal(netnet.GetSocketErrorString(netnet.WSAECONNREFUSED), 'Connection refused')
  test.match(netnet.GetSocketErrorString(netnet.WSAEWOULDBLOCK), 'unavailable')
end)

test.case('a port that is taken, a port that is none', function()
  local _, port = server()
  test.equal({ netnet.CreateTcpServerSocket(port) }, { nil, errno.EADDRINUSE })
  test.equal({ netnet.CreateTcpServerSocket(70000) }, { nil, errno.EINVAL })
  local s = netnet.CreateTcpSocket()
  test.equal(s:BindToPort(port), errno.EADDRINUSE)
  test.equal(s:BindToPort(0, netnet.AF_INET6), errno.EAFNOSUPPORT)
  return _
end)

test.case('Close, and again; CloseDown closes even what cannot be shut down', function()
  local s = netnet.CreateTcpSocket()
  test.equal(s:Close(), 0)
  test.equal(s:Close(), errno.EBADF)
  local t = netnet.CreateTcpSocket()
  test.equal(t:CloseDown(), errno.ENOTCONN)
  test.equal(t.native, nil)
  test.equal(t:CloseDown(), errno.EBADF)
end)

test.case('every call of a closed socket is a code', function()
  local s, buff = netnet.CreateTcpSocket(), ffi.new('uint8_t[4]')
  s.Address = netnet.CreateSocketAddress('127.0.0.1', 1)
  s:Close()
  for _, name in ipairs { 'Accept', 'GetBytesPendingReceive', 'GetLocalPort' } do
    test.equal({ name, select(2, s[name](s)) }, { name, errno.EBADF })
  end
  test.equal({ s:Receive(buff) }, { nil, errno.EBADF })
  test.equal({ s:Send('x') }, { nil, errno.EBADF })
  test.equal({ s:Connect(), s:BindToPort(0), s:SetNonBlocking(), s:SetReuseAddress(true) },
    { errno.EBADF, errno.EBADF, errno.EBADF, errno.EBADF })
  s:StartListening()
  test.equal(s.Listening, false)
end)

test.case('closing wakes who waits, with a code', function()
  local _, s = pair()
  local reader = fiber.spawn(function() return receive(s) end)
  fiber.yield()
  s:Close()
  test.equal({ reader:join() }, { true, nil, errno.EBADF })
  local listener = server()
  local acceptor = fiber.spawn(function() return listener:Accept() end)
  fiber.yield()
  listener:Close()
  test.equal({ acceptor:join() }, { true, nil, errno.EBADF })
  return _
end)

test.case('cancellation is raised, not returned', function()
  local _, s = pair()
  local reader = fiber.spawn(function() return receive(s) end)
  fiber.yield()
  reader:cancel()
  local ok, problem = reader:join()
  test.equal({ ok, fiber.is_cancelled(problem) }, { false, true })
  return _
end)

test.case('options: numbers, booleans, buffers, linger, and those that do not exist', function()
  local s = netnet.CreateTcpSocket()
  test.equal(s:SetOption(netnet.SOL_SOCKET, netnet.SO_KEEPALIVE, true), 0)
  test.equal(s.native:getsockopt('SOL_SOCKET', 'SO_KEEPALIVE'), 1)
  test.equal(s:SetOption(netnet.IPPROTO_TCP, netnet.TCP_NODELAY, ffi.new('uint32_t[1]', 1), 4), 0)
  test.equal(s.native:getsockopt('tcp', 'TCP_NODELAY'), 1)
  test.equal(s:SetOption(netnet.SOL_SOCKET, netnet.SO_LINGER, ffi.new('uint16_t[2]', { 1, 3 }), 4), 0)
  test.equal({ s.native:linger() }, { true, 3 })
  test.equal(s:SetOption(netnet.SOL_SOCKET, 4711, 1), errno.ENOPROTOOPT)
  test.equal(s:SetOption(netnet.SOL_SOCKET, netnet.SO_ERROR, 1), errno.ENOPROTOOPT)
end)

test.case('a reset is a code', function()
  local c, s = pair()
  c.native:linger(true, 0)
  c:Close()
  test.equal({ receive(s) }, { nil, errno.ECONNRESET })
end)

test.case('TCP_SOCKET makes a socket of a descriptor', function()
  local a, b = socket.socketpair('AF_UNIX', 'SOCK_STREAM')
  local s = netnet.TCP_SOCKET(nil, a:detach(), false)
  b:write('hi')
  test.equal(receive(s), 'hi')
  test.equal({ netnet.TCP_SOCKET(nil, -1, false) }, { nil, errno.EBADF })
end)

-- -- Addresses ----------------------------------------------------------------------------------------

test.case('an address can be read, changed, copied and compared', function()
  local a = netnet.CreateSocketAddress('127.0.0.1', 80)
  test.equal({ a:GetAddressString(), a:GetPort(), a:Family(), a:Size() }, { '127.0.0.1', 80, netnet.AF_INET, 16 })
  test.equal(tostring(a), 'AF_INET, 127.0.0.1,  80')
  local b = a:Clone()
  test.ok(a:Equal(b))
  b:SetPort('81')
  test.equal({ a:Equal(b), a:EqualPort(b), b:GetPort() }, { false, false, 81 })
  test.ok(b:SetAddressFromString('::1'))
  test.equal({ b:Family(), b:Size(), tostring(b) }, { netnet.AF_INET6, 28, 'AF_INET6, ::1,  81' })
  test.equal(b:SetAddressFromString('nowhere'), false)
end)

test.case('addresses from text: host:port, localhost, IPv6, and what is none', function()
  test.equal(tostring(netnet.CreateSocketAddress('127.0.0.1:8080')), 'AF_INET, 127.0.0.1,  8080')
  test.equal(tostring(netnet.CreateSocketAddress('127.0.0.1:8080', 5)), 'AF_INET, 127.0.0.1,  8080')
  test.equal(tostring(netnet.CreateSocketAddress('localhost', '99')), 'AF_INET, 127.0.0.1,  99')
  test.equal(tostring(netnet.CreateSocketAddress('::1', 99)), 'AF_INET6, ::1,  99')
  test.equal(tostring(netnet.CreateIPV4Address('10.0.0.1', 5)), 'AF_INET, 10.0.0.1,  5')
  test.equal(tostring(netnet.CreateIPV6Address('fe80::1', 5)), 'AF_INET6, fe80::1,  5')
  test.equal(tostring(netnet.CreateIPV4WildcardAddress(netnet.AF_INET, 7)), 'AF_INET, 0.0.0.0,  7')
  test.equal(tostring(netnet.CreateIPV4WildcardAddress(netnet.AF_INET6, 7)), 'AF_INET6, ::,  7')
  for _, wrong in ipairs { { '127.0.0.1' }, { '127.0.0.1', 'x' }, { '127.0.0.1', 65536 }, { '', 5 } } do
    test.equal({ netnet.CreateSocketAddress(table.unpack(wrong)) }, { nil, errno.EINVAL })
  end
  test.equal({ netnet.CreateIPV4Address('::1', 5) }, { nil, errno.EAFNOSUPPORT })
  test.equal({ netnet.CreateIPV6Address('1.2.3.4', 5) }, { nil, errno.EAFNOSUPPORT })
  test.equal({ netnet.CreateIPV4Address('localhost', 5) }, { nil, errno.EINVAL })
end)

test.case('a client of an IPv6 address', function()
  local listener, port = loopback.listener('::1')
  local c = assert(netnet.CreateTcpClientSocket('::1', port))
  listener:accept():write('six')
  test.equal(receive(c), 'six')
end)

test.finish()
