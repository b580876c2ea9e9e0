-- netnet_test.lua: the article "NetNet", its samples and its socket object.
package.path = (arg[0]:match('^.*/') or './') .. '../lua/?.lua;' .. package.path
local test = require 'test'
local child = require 'child'
local loopback = require 'loopback'
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'
local netnet = require 'coir.compat.netnet'
local ffi = netnet.ffi

--- A listener on a free port, and the port. The article has fixed ports, tests have not.
local function server(options)
  local s = assert(netnet.CreateTcpServerSocket(options or 0, 128))
  return s, s:GetLocalPort()
end

local function client(port) return assert(netnet.CreateTcpClientSocket('127.0.0.1', port)) end

local function pair()
  local listener, port = server()
  local c = client(port)
  local s = assert(listener:Accept())
  listener:Close()
  return c, s
end

local function receive(s, n)
  local buff = ffi.new('uint8_t[?]', n or 100)
  local got, err = s:Receive(buff, n or 100)
  if not got then return nil, err end
  return ffi.string(buff, got)
end

-- -- The samples --------------------------------------------------------------------------------------

test.case("the article's first sample: a wrapper whose Accept does not block, in a polling loop", function()
  -- Changed: `Socket.new` and `AcceptNewSocket`, which the article leaves out, are written out, and
  -- the loop ends.
  local Socket = {}
  Socket.__index = Socket
  function Socket.new(port)
    local s = server(port)
    s:SetNonBlocking(true)
    return setmetatable({ Socket = s }, Socket)
  end

  function Socket:Accept()
    local success, err = self.Socket:Accept() -- call non-blocking accept

    -- err with be either nil upon success
    -- or 'wouldbock'
    -- or some other error
    return success, err
  end
  Socket.AcceptNewSocket = Socket.Accept

  local listener, turns, work = Socket.new(0), 0, {}
  local port = listener.Socket:GetLocalPort()
  fiber.new(function() for _ = 1, 3 do client(port) end end)

  while (#work < 3) do
    local accepted, err = listener:AcceptNewSocket()

    if accepted then
      -- do some work with the accepted socket
      work[#work + 1] = accepted
    else
      test.equal(err, 'wouldblock')
    end

    -- do some work with existing sockets
    turns = turns + 1
  end
  test.ok(turns >= 3)
end)

test.case("the article's second sample: a blocking call made of non-blocking ones", function()
  local listener, port = server { port = 0, nonblocking = true }
  fiber.new(function()
    fiber.sleep(0.01)
    client(port)
  end)
  -- Changed: in a function, because of the `return`.
  local function block()
    local accepted, err
    repeat
      accepted, err = listener:Accept()
      if not accepted and err ~= "wouldblock" then
        return err
      end
    until accepted
    return accepted
  end
  local accepted = block()
  test.equal(type(accepted), 'table')
  test.equal({ accepted.Address, accepted.Listening }, { nil, false })
  listener:Close()
  test.equal(block(), errno.EBADF)
end)

test.case('the third: a time-out is the same loop with a stop-watch', function()
  local listener = server { port = 0, nonblocking = true }
  local until_when = fiber.clock() + 0.02
  local accepted, err
  repeat
    accepted, err = listener:Accept()
  until accepted or err ~= "wouldblock" or fiber.clock() > until_when
  test.equal({ accepted, err }, { nil, 'wouldblock' })
end)

test.case("the listing's CreateTcpServerSocket, step by step", function()
  local function CreateTcpServerSocket(port, backlog)
    backlog = backlog or 5

    local sock = netnet.CreateTcpSocket()
    if not sock then return nil end

    sock:SetReuseAddress(true);
    sock:BindToPort(port)
    sock:StartListening(backlog)

    return sock
  end
  local listener = CreateTcpServerSocket(0)
  test.ok(listener.Listening)
  local c = client(listener:GetLocalPort())
  test.ok(listener:Accept())
  test.equal(c:CloseDown(), 0)
end)

test.case("the listing's SetReuseAddress, with its buffer and `or` of constants", function()
  local sock = netnet.CreateTcpSocket()
  local optval = ffi.new("uint32_t[1]", 1)
  local err = sock:SetOption(netnet.SOL_SOCKET, netnet.SO_REUSEADDR, optval, ffi.sizeof("uint32_t"))
  test.equal(err, 0)
  test.equal(sock.native:getsockopt('SOL_SOCKET', 'SO_REUSEADDR'), 1)
  sock:SetReuseAddress(false)
  test.equal(sock.native:getsockopt('SOL_SOCKET', 'SO_REUSEADDR'), 0)
end)

test.case('-l coir.compat.netnet runs a script as it stands', function()
  local result = child.run([[
    local ffi = require "ffi"
    local listener = CreateTcpServerSocket(0)
    local address = listener.native:name()
    socket = CreateTcpClientSocket("localhost", address.port)
    socket:SetNonBlocking(true)
    local peer = listener:Accept()
    local buff = ffi.new("uint8_t[?]", 100)
    print(socket:Receive(buff, 100))
    print(peer:Send("hello", 5))
    repeat n, err = socket:Receive(buff, 100) until n or err ~= WSAEWOULDBLOCK
    print(n, ffi.string(buff, n))
    print(socket:CloseDown(), peer:Receive(buff, 100))
    print(AF_INET, TCP_SOCKET, type(CreateSocketAddress), type(NOTE))
  ]], '-l', 'coir.compat.netnet')
  test.equal(result.err, '')
  test.match(result.out, '^nil\twouldblock\n5\n5\thello\n0\t0\n2\ttable: ')
end)

test.case('requiring it sets no globals, install(env) sets those of env', function()
  local env = {}
  netnet.install(env)
  test.equal(rawget(_G, 'CreateTcpSocket'), nil)
  for _, name in ipairs { 'CreateTcpSocket', 'CreateTcpServerSocket', 'CreateTcpClientSocket',
                          'CreateSocketAddress', 'CreateIPV4WildcardAddress', 'TCP_SOCKET', 'NOTE', 'ERROR' } do
    test.ok(env[name], name)
  end
end)

test.case('every constant has a value', function()
  for name in ([[AF_INET AF_INET6 SOCK_STREAM SOCK_DGRAM IPPROTO_TCP SOL_SOCKET SO_REUSEADDR SO_KEEPALIVE
      SO_BROADCAST SO_LINGER SO_SNDBUF SO_RCVBUF SO_ERROR SO_TYPE TCP_NODELAY FIONBIO FIONREAD SD_RECEIVE
      SD_SEND SD_BOTH INADDR_ANY INADDR_LOOPBACK SOCKET_ERROR INVALID_SOCKET]]):gmatch '%S+' do
    test.equal({ name, math.type(netnet[name]) }, { name, 'integer' })
  end
  test.equal(netnet.WSAEWOULDBLOCK, 'wouldblock')
  test.equal(netnet.WSAECONNREFUSED, errno.ECONNREFUSED)
  test.equal(netnet.WSAENOTCONN, errno.ENOTCONN)
end)

-- -- The socket object --------------------------------------------------------------------------------

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

-- -- Polling loops ------------------------------------------------------------------------------------

test.case("a polling server and its clients in one process: nobody starves", function()
  local listener, port = server { port = 0, backlog = 100, nonblocking = true }
  local clients, answers, ticks = 20, 0, 0
  local ticker = fiber.new(function()
    while true do
      fiber.sleep(0)
      ticks = ticks + 1
    end
  end)
  for i = 1, clients do
    fiber.new(function()
      local c, text = client(port), 'message ' .. i
      for _ = 1, 10 do
        c:Send(text)
        if receive(c, #text) == text then answers = answers + 1 end
      end
      c:CloseDown()
    end)
  end
  local open, ended, buff = {}, 0, ffi.new('uint8_t[100]')
  while ended < clients do
    local s = listener:Accept()
    if s then open[s] = true end
    for one in pairs(open) do
      local n, err = one:Receive(buff, 100)
      if n and n > 0 then
        one:Send(buff, n)
      elseif n == 0 or err ~= 'wouldblock' then
        one:Close()
        open[one], ended = nil, ended + 1
      end
    end
  end
  test.eventually(function() return answers == clients * 10 end)
  test.ok(ticks > 10)
  ticker:cancel()
end)

test.finish()
