-- netnet_samples_test.lua: the article "NetNet": its samples, its names, and the loops that poll.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. (arg[0]:match('^.*/') or './') .. '../lua/?.lua;'
  .. package.path
local test = require 'test'
local child = require 'child'
local peers = require 'netnet_peers'
local errno = require 'errno'
local fiber = require 'fiber'
local netnet = require 'coir.compat.netnet'
local ffi = netnet.ffi
local server, client, receive = peers.server, peers.client, peers.receive

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
